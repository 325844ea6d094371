/* Masking of WebSocket payloads (RFC 6455 section 5.3), for masking.py, which says what it does.
 *
 * Eight bytes are masked at a time, by copies into words: compilers make vector instructions of
 * that, and no address need be aligned.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

static void mask_into(char *out, const char *data, Py_ssize_t length, const char *key) {
    uint64_t word, repeated;
    Py_ssize_t at = 0;
    memcpy(&repeated, key, 4);
    memcpy((char *)&repeated + 4, key, 4);
    for (; at + 8 <= length; at += 8) {
        memcpy(&word, data + at, 8);
        word ^= repeated;
        memcpy(out + at, &word, 8);
    }
    for (; at < length; at++) {
        out[at] = data[at] ^ key[at & 3];
    }
}

static PyObject *apply_mask(PyObject *Py_UNUSED(module), PyObject *args) {
    Py_buffer data, key;
    PyObject *masked = NULL;
    if (!PyArg_ParseTuple(args, "y*y*:apply_mask", &data, &key)) {
        return NULL;
    }
    if (key.len != 4) {
        PyErr_SetString(PyExc_ValueError, "a masking key has 4 bytes");
    } else if ((masked = PyBytes_FromStringAndSize(NULL, data.len)) != NULL) {
        mask_into(PyBytes_AS_STRING(masked), data.buf, data.len, key.buf);
    }
    PyBuffer_Release(&data);
    PyBuffer_Release(&key);
    return masked;
}

static PyMethodDef methods[] = {
    {"apply_mask", apply_mask, METH_VARARGS, "`data` masked with a key of 4 bytes."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_xor", NULL, 0, methods};

PyMODINIT_FUNC PyInit__xor(void) {
    return PyModuleDef_Init(&definition);
}

/* The load of the WebSocket benches: it compares every byte that comes with the byte that must come.

   usage: websocket_load MODE PORT CONNECTIONS DEPTH PAYLOAD_SZ WARM_CNT RUN_CNT EXTRA LIFE_S

   MODE echo   a closed loop: each connection has one batch of DEPTH masked text frames in flight, sent in one write, and
               sends the next when the echo of the last is complete. RUN_CNT counts batches. EXTRA is 1 to compare
               payloads, 0 only to count bytes (a floor answers with other payloads of the same length).
   MODE read   the connections only read. A byte written to the descriptor EXTRA orders one tick of DEPTH messages to
               everyone; the next is ordered when all of them have come to all. RUN_CNT counts ticks.

   A payload is a number of ten digits and a filling. In echo the number is of the connection and the place in the batch;
   in read it is that of the message since the start, so what comes is gapless and in order or is refused.

   The conversation with the harness keeps connecting, warming up and closing out of the measured time:
   it prints "ready", waits for a line, runs, prints "done MESSAGES BYTES", waits for end of input, ends.

   The wait is a spin (epoll_wait with timeout 0), so the client never sleeps and no server pays, inside its own send, for
   waking it. Source addresses are spread over 127.0.0.2 to 127.0.0.51. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_SZ = 1 << 18, EVENT_CNT = 256, SPIN_CNT = 64, MASK_SZ = 4, DIGITS = 10, HEAD_MAX = 4, SOURCE_CNT = 50 };

struct conn {
  int   fd;
  long  got_sz; /* of the batch or tick in flight */
  char *out;    /* masked frames; echo only */
  char *want;   /* what must come; one for all in read */
};

static const char REQUEST[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
static const char ACCEPT[]  = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="; /* of that key: RFC 6455 section 1.3 */

static int          conn_cnt, depth, epoll_fd, is_read, extra;
static long         payload_sz, want_sz, out_sz, message_cnt, received_sz, left_cnt, sequence;
static struct conn *conns;

static void die(const char *why) {
  fprintf(stderr, "load: %s: %s\n", why, errno ? strerror(errno) : "wrong answer");
  exit(1);
}

/* A text frame's head with the payload length in its shortest form; returns its size. */
static long put_head(char *at, int mask_bit) {
  at[0] = (char)0x81;
  at[1] = (char)(mask_bit | (payload_sz < 126 ? payload_sz : 126));
  if (payload_sz < 126) return 2;
  at[2] = (char)(payload_sz >> 8), at[3] = (char)payload_sz;
  return 4;
}

static void put_payload(char *at, long number) {
  memset(at, 'x', (size_t)payload_sz);
  for (int i = DIGITS - 1; i >= 0; i--, number /= 10) at[i] = (char)('0' + number % 10);
}

static void put_wanted(char *at, long first) {
  for (int i = 0; i < depth; i++, at += payload_sz) at += put_head(at, 0), put_payload(at, first + i);
}

static void put_masked(char *at, long first) {
  for (int i = 0; i < depth; i++, at += payload_sz) {
    at += put_head(at, 0x80);
    char *mask = at;
    for (int k = 0; k < MASK_SZ; k++) *at++ = (char)(0x9d * (first + i + 1) >> (k * 2));
    put_payload(at, first + i);
    for (long k = 0; k < payload_sz; k++) at[k] ^= mask[k % MASK_SZ];
  }
}

static void send_all(int fd, const char *data, long sz) {
  if (send(fd, data, (size_t)sz, MSG_NOSIGNAL) != sz) die("send");
}

static void shake_hands(int fd, int port) {
  char buf[4096];
  long have_sz = 0;
  send_all(fd, buf, snprintf(buf, sizeof buf, REQUEST, port));
  do {
    long n = recv(fd, buf + have_sz, sizeof buf - 1 - (size_t)have_sz, 0);
    if (n <= 0) die("handshake");
    buf[have_sz += n] = 0;
  } while (!strstr(buf, "\r\n\r\n"));
  errno = 0;
  if (memcmp(buf, "HTTP/1.1 101 ", 13) || !strstr(buf, ACCEPT)) die("handshake");
  if (memcmp(buf + have_sz - 4, "\r\n\r\n", 4)) die("bytes behind the handshake");
}

static int dial(int port, int number) {
  int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
  struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(number % SOURCE_CNT));
  to.sin_addr.s_addr   = htonl(INADDR_LOOPBACK);
  if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof from)) die("bind");
  if (connect(fd, (struct sockaddr *)&to, sizeof to)) die("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  shake_hands(fd, port);
  return fd;
}

/* 1 when all that was wanted has come. */
static int receive(struct conn *c) {
  static char buf[BUFFER_SZ];
  long        n = recv(c->fd, buf, sizeof buf, 0);
  if (n < 0 && errno == EAGAIN) return 0;
  if (n <= 0) die("recv");
  errno = 0;
  if (c->got_sz + n > want_sz) die("more bytes than asked for");
  if ((is_read || extra) && memcmp(buf, c->want + c->got_sz, (size_t)n)) die("payload");
  received_sz += n;
  c->got_sz += n;
  if (c->got_sz < want_sz) return 0;
  c->got_sz = 0;
  message_cnt += depth;
  return 1;
}

static int wait_ready(struct epoll_event *events) {
  for (int i = 0;; i++) {
    int n = epoll_wait(epoll_fd, events, EVENT_CNT, 0);
    if (n < 0) die("epoll_wait");
    if (n) return n;
    if (i % SPIN_CNT == SPIN_CNT - 1) sched_yield();
  }
}

static int start_tick(void) {
  put_wanted(conns[0].want, sequence);
  sequence += depth, left_cnt--;
  if (write(extra, "\n", 1) != 1) die("control");
  return conn_cnt;
}

static int start_batch(struct conn *c) {
  if (left_cnt <= 0) return 0;
  send_all(c->fd, c->out, out_sz);
  left_cnt--;
  return 1;
}

static void run(long run_cnt) {
  struct epoll_event events[EVENT_CNT];
  int                busy_cnt = 0;
  left_cnt                    = run_cnt;
  message_cnt = received_sz = 0;
  if (is_read) busy_cnt = start_tick();
  else
    for (int i = 0; i < conn_cnt; i++) busy_cnt += start_batch(conns + i);
  while (busy_cnt) {
    int n = wait_ready(events);
    for (int i = 0; i < n; i++)
      if (receive(events[i].data.ptr)) busy_cnt += (is_read ? 0 : start_batch(events[i].data.ptr)) - 1;
    if (is_read && !busy_cnt && left_cnt > 0) busy_cnt = start_tick();
  }
}

static void open_all(int port) {
  char *shared = malloc((size_t)want_sz);
  conns        = calloc((size_t)conn_cnt, sizeof *conns);
  for (int i = 0; i < conn_cnt; i++) {
    struct conn       *c     = conns + i;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    c->want                  = is_read ? shared : malloc((size_t)want_sz);
    c->out                   = malloc((size_t)out_sz);
    if (!is_read) put_masked(c->out, (long)i * depth), put_wanted(c->want, (long)i * depth);
    c->fd = dial(port, i);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event)) die("epoll_ctl");
  }
}

int main(int argc, char **argv) {
  char line[64];
  if (argc != 10) return 2;
  is_read    = !strcmp(argv[1], "read");
  conn_cnt   = atoi(argv[3]);
  depth      = atoi(argv[4]);
  payload_sz = atol(argv[5]);
  extra      = atoi(argv[8]);
  if (payload_sz < DIGITS || payload_sz > 65535) return 2;
  alarm((unsigned)atoi(argv[9]));
  want_sz  = depth * (payload_sz + (payload_sz < 126 ? 2 : HEAD_MAX));
  out_sz   = want_sz + depth * MASK_SZ;
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  open_all(atoi(argv[2]));
  run(atol(argv[6]));
  printf("ready\n"), fflush(stdout);
  if (!fgets(line, sizeof line, stdin)) return 3;
  run(atol(argv[7]));
  printf("done %ld %ld\n", message_cnt, received_sz), fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {}
  return 0;
}

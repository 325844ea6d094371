/* The C floor of the WebSocket rows: what any server on this kernel must pay for these bytes.

   usage: websocket_floor MODE LIFE_S CONNECTIONS DEPTH PAYLOAD_SZ FRAGMENTS HAS_PINGS   (prints its port on a line)

   MODE echo   accept, read, count the messages by their length, write as many prebuilt frames in one send, for ever. A
               message is one of PAYLOAD_SZ in FRAGMENTS masked frames, with HAS_PINGS 1 a ping of four bytes behind it.
   MODE ticks  let CONNECTIONS clients in; then, for each byte of standard input, frame DEPTH numbered messages, and one
               send of them all to each client in turn.

   Nothing is understood: the handshake's answer is a constant, for the load sends a constant key. It ends by signal, by
   the end of its input, or by the alarm after LIFE_S seconds. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_SZ = 1 << 18, EVENT_CNT = 256, FD_MAX = 1 << 16, BACKLOG = 1024, DIGITS = 10, MASK_SZ = 4, PING_SZ = 4 };

struct conn {
  int  is_open;
  long part_sz; /* of a message that has not come in full */
  long at;      /* how much of an answer is sent */
  long owed_sz;
};

static const char ANSWER[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static struct conn conns[FD_MAX];
static int         epoll_fd, depth, has_pings;
static long        payload_sz, frame_sz, message_sz, answer_sz, answers_sz;
static char       *answers;

static long head_sz(long sz) { return sz < 126 ? 2 : sz < 65536 ? 4 : 10; }

static void put_frame(char *at, long number) {
  long head = head_sz(payload_sz);
  at[0]     = (char)0x81;
  at[1]     = (char)(head == 2 ? payload_sz : head == 4 ? 126 : 127);
  for (long i = 2; i < head; i++) at[i] = (char)(payload_sz >> 8 * (head - 1 - i));
  for (int i = DIGITS - 1; i >= 0; i--, number /= 10) at[head + i] = (char)('0' + number % 10);
}

static void build_answers(long cnt) {
  answers_sz = answer_sz * cnt;
  answers    = malloc((size_t)answers_sz);
  memset(answers, 'x', (size_t)answers_sz);
  for (char *at = answers; at < answers + answers_sz; at += answer_sz) {
    put_frame(at, 0);
    if (has_pings) memcpy(at + frame_sz, "\x8a\x04ping", 2 + PING_SZ);
  }
}

static void watch(int fd, int order, unsigned what) {
  struct epoll_event event = {.events = what, .data.fd = fd};
  if (epoll_ctl(epoll_fd, order, fd, &event)) exit(1);
}

static int listen_any(void) {
  int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in at = {.sin_family = AF_INET};
  socklen_t          sz = sizeof at;
  at.sin_addr.s_addr    = htonl(INADDR_LOOPBACK);
  if (bind(fd, (struct sockaddr *)&at, sz) || listen(fd, BACKLOG)) exit(1);
  getsockname(fd, (struct sockaddr *)&at, &sz);
  printf("%d\n", ntohs(at.sin_port)), fflush(stdout);
  return fd;
}

static void send_all(int fd, const char *data, long sz) {
  if (send(fd, data, (size_t)sz, MSG_NOSIGNAL) != sz) exit(1);
}

static int accept_one(int listen_fd, int flags) {
  int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | flags), one = 1;
  if (fd < 0 || fd >= FD_MAX) exit(1);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  conns[fd] = (struct conn){0};
  return fd;
}

static void flush(int fd, int was_full) {
  struct conn *c = conns + fd;
  while (c->owed_sz) {
    long room = answers_sz - c->at, n = send(fd, answers + c->at, (size_t)(c->owed_sz < room ? c->owed_sz : room), MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) {
      watch(fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
      return;
    }
    if (n <= 0) exit(1);
    c->owed_sz -= n;
    c->at = (c->at + n) % answer_sz;
  }
  if (was_full) watch(fd, EPOLL_CTL_MOD, EPOLLIN);
}

static void answer(int fd) {
  static char  buf[BUFFER_SZ];
  struct conn *c = conns + fd;
  long         n = recv(fd, buf, sizeof buf, 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) {
    close(fd);
    return;
  }
  if (!c->is_open) {
    send_all(fd, ANSWER, sizeof ANSWER - 1);
    c->is_open = 1;
    return;
  }
  long have_sz = c->part_sz + n;
  c->part_sz   = have_sz % message_sz;
  c->owed_sz += have_sz / message_sz * answer_sz;
  if (c->owed_sz) flush(fd, 0);
}

static void serve_echo(int listen_fd) {
  struct epoll_event events[EVENT_CNT];
  build_answers(BUFFER_SZ / answer_sz + 1);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  watch(listen_fd, EPOLL_CTL_ADD, EPOLLIN);
  for (;;) {
    int n = epoll_wait(epoll_fd, events, EVENT_CNT, -1);
    for (int i = 0; i < n; i++) {
      int fd = events[i].data.fd;
      if (fd == listen_fd) watch(accept_one(listen_fd, SOCK_NONBLOCK), EPOLL_CTL_ADD, EPOLLIN);
      else if (events[i].events & EPOLLOUT) flush(fd, 1);
      else answer(fd);
    }
  }
}

static void serve_ticks(int listen_fd, int conn_cnt) {
  int *fds      = calloc((size_t)conn_cnt, sizeof *fds);
  long sequence = 0;
  char order;
  build_answers(depth);
  for (int i = 0; i < conn_cnt; i++) answer(fds[i] = accept_one(listen_fd, 0));
  while (read(0, &order, 1) == 1) {
    for (int i = 0; i < depth; i++) put_frame(answers + i * frame_sz, sequence++);
    for (int k = 0; k < conn_cnt; k++) send_all(fds[k], answers, frame_sz * depth);
  }
}

int main(int argc, char **argv) {
  if (argc != 8) return 2;
  alarm((unsigned)atoi(argv[2]));
  depth                = atoi(argv[4]);
  payload_sz           = atol(argv[5]);
  long fragment_cnt    = atol(argv[6]);
  has_pings            = atoi(argv[7]);
  frame_sz             = head_sz(payload_sz) + payload_sz;
  long part_sz         = (payload_sz + fragment_cnt - 1) / fragment_cnt;
  long last_sz         = payload_sz - part_sz * (fragment_cnt - 1);
  message_sz           = payload_sz + fragment_cnt * MASK_SZ + (fragment_cnt - 1) * head_sz(part_sz) + head_sz(last_sz);
  answer_sz            = frame_sz;
  if (has_pings) message_sz += 2 + MASK_SZ + PING_SZ, answer_sz += 2 + PING_SZ;
  int listen_fd = listen_any();
  if (!strcmp(argv[1], "echo")) serve_echo(listen_fd);
  serve_ticks(listen_fd, atoi(argv[3]));
  return 0;
}

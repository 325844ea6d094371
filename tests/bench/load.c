/* The load: a closed loop of keep-alive connections, each with one batch of requests in flight.

   usage: load PORT CONNECTIONS DEPTH WARM_BATCHES BATCHES COUNTER_OFFSET LIFE_S REQUEST

   A batch is DEPTH copies of REQUEST in one send. The length of a response is learnt from the first one, and from
   then on every response must have that length, begin as the first did ("HTTP/1.1 200 ") and end in its body:
   every response is checked, none is parsed. With COUNTER_OFFSET >= 0 the ten bytes there are overwritten in each
   request by a counter, so that no two heads are alike.

   The conversation with the harness keeps connecting, warming up and closing out of the measured time:
   it prints "ready LENGTH", waits for a line, runs, prints "done REQUESTS BYTES", waits for end of input, ends.

   The wait is a spin (epoll_wait with timeout 0), so the client never sleeps and no server pays, inside its own
   send, for waking it: a real client is on another machine and costs nothing to wake. load_client.py is the same
   in Python, for machines without a compiler. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { COUNTER_DIGITS = 10, BUFFER_SZ = 1 << 16, EVENT_CNT = 256, SPIN_CNT = 64 };

struct conn {
  int  fd;
  int  owed_cnt; /* responses of the batch in flight still to come */
  long have_sz;
  char buf[BUFFER_SZ];
};

static const char STATUS[] = "HTTP/1.1 200 ";
static const char BODY[]   = "hello, world\n";

static int          conn_cnt, depth, epoll_fd;
static long         counter_offset, request_sz, response_sz;
static long         responses_cnt, received_sz, batches_left_cnt, counter;
static char        *batch;
static struct conn *conns;

static void die(const char *why) {
  fprintf(stderr, "load: %s: %s\n", why, errno ? strerror(errno) : "wrong answer");
  exit(1);
}

static int dial(int port) {
  int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  at.sin_addr.s_addr    = htonl(INADDR_LOOPBACK);
  if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at)) die("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

static void number(char *request) {
  long rest = counter++;
  for (int i = COUNTER_DIGITS - 1; i >= 0; i--, rest /= 10) request[counter_offset + i] = (char)('0' + rest % 10);
}

static void send_all(int fd, const char *data, long sz) {
  if (send(fd, data, (size_t)sz, MSG_NOSIGNAL) != sz) die("send");
}

static void send_batch(struct conn *c) {
  if (counter_offset >= 0)
    for (int i = 0; i < depth; i++) number(batch + i * request_sz);
  send_all(c->fd, batch, request_sz * depth);
  c->owed_cnt = depth;
  batches_left_cnt--;
}

/* The first response, read to its end: its length is everyone's. */
static void learn(int fd) {
  static char buf[BUFFER_SZ];
  long        have_sz = 0;
  send_all(fd, batch, request_sz);
  for (;;) {
    long n = recv(fd, buf + have_sz, (size_t)(sizeof buf - 1 - (size_t)have_sz), 0);
    if (n <= 0) die("first response");
    have_sz += n;
    buf[have_sz] = 0;
    char *end    = strstr(buf, "\r\n\r\n");
    if (!end) continue;
    char *field = strcasestr(buf, "\r\ncontent-length:");
    if (!field || field > end) errno = 0, die("no content-length");
    response_sz = end + 4 - buf + atol(field + 17);
    if (have_sz >= response_sz) return;
  }
}

static void check(const char *response) {
  errno = 0;
  if (memcmp(response, STATUS, sizeof STATUS - 1)) die("status");
  if (memcmp(response + response_sz - (sizeof BODY - 1), BODY, sizeof BODY - 1)) die("body");
}

/* 1 when the batch is answered in full. */
static int receive(struct conn *c) {
  long n = recv(c->fd, c->buf + c->have_sz, (size_t)(BUFFER_SZ - c->have_sz), 0), at = 0;
  if (n < 0 && errno == EAGAIN) return 0;
  if (n <= 0) die("recv");
  received_sz += n;
  c->have_sz += n;
  for (; c->have_sz - at >= response_sz; at += response_sz, responses_cnt++, c->owed_cnt--) check(c->buf + at);
  c->have_sz -= at;
  if (c->have_sz) memmove(c->buf, c->buf + at, (size_t)c->have_sz);
  if (c->owed_cnt < 0 || (c->owed_cnt == 0 && c->have_sz)) errno = 0, die("more bytes than asked for");
  return c->owed_cnt == 0;
}

static int wait_ready(struct epoll_event *events) {
  for (int i = 0;; i++) {
    int n = epoll_wait(epoll_fd, events, EVENT_CNT, 0);
    if (n) return n;
    if (i % SPIN_CNT == SPIN_CNT - 1) sched_yield();
  }
}

static void run(long batches_cnt) {
  struct epoll_event events[EVENT_CNT];
  int                busy_cnt = 0;
  batches_left_cnt            = batches_cnt;
  responses_cnt = received_sz = 0;
  for (; busy_cnt < conn_cnt && batches_left_cnt > 0; busy_cnt++) send_batch(conns + busy_cnt);
  while (busy_cnt) {
    int n = wait_ready(events);
    if (n < 0) die("epoll_wait");
    for (int i = 0; i < n; i++) {
      struct conn *c = events[i].data.ptr;
      if (!receive(c)) continue;
      if (batches_left_cnt > 0) send_batch(c);
      else busy_cnt--;
    }
  }
}

static void open_all(int port) {
  conns = calloc((size_t)conn_cnt, sizeof *conns);
  for (int i = 0; i < conn_cnt; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conns + i};
    conns[i].fd              = dial(port);
    if (i == 0) learn(conns[0].fd);
    fcntl(conns[i].fd, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, conns[i].fd, &event)) die("epoll_ctl");
  }
}

int main(int argc, char **argv) {
  char line[64];
  if (argc != 9) return 2;
  conn_cnt       = atoi(argv[2]);
  depth          = atoi(argv[3]);
  counter_offset = atol(argv[6]);
  request_sz     = (long)strlen(argv[8]);
  alarm((unsigned)atoi(argv[7]));
  batch = malloc((size_t)(request_sz * depth));
  for (int i = 0; i < depth; i++) memcpy(batch + i * request_sz, argv[8], (size_t)request_sz);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  open_all(atoi(argv[1]));
  run(atol(argv[4]));
  printf("ready %ld\n", response_sz), fflush(stdout);
  if (!fgets(line, sizeof line, stdin)) return 3;
  run(atol(argv[5]));
  printf("done %ld %ld\n", responses_cnt, received_sz), fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {}
  return 0;
}

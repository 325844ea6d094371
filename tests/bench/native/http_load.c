/* The HTTP load: connections that each have one batch of requests in flight, and check every byte that they may.

   usage: http_load PORT CONNECTIONS DEPTH WARM_BATCHES BATCHES REQUEST_AT BODY_AT IS_COMPARED IS_CLOSING LIFE_S
                    REQUEST BODY

   A batch is DEPTH copies of REQUEST in one send. The length of a head is learnt from the first response; from then on
   every response must have that length, begin with "HTTP/1.x 200 ", have its blank line there, and BODY behind it (=N
   stands for N letters x). With REQUEST_AT >= 0 the ten bytes there are overwritten by a counter, so that no two heads
   are alike; with BODY_AT >= 0 the response must bring that number back at this place of its body, so that one that is
   missing, doubled or out of order is found. IS_COMPARED 0 is for floors, which answer constant bytes: then bodies are
   only counted. With IS_CLOSING 1 every batch has a connection of its own, which the server must end behind it.

   The conversation with the harness keeps connecting, warming up and closing out of the measured time: it prints "ready
   LENGTH", waits for a line, runs, prints "done REQUESTS BYTES", waits for end of input, ends.

   The wait is a spin (epoll_wait with timeout 0), so the client never sleeps and no server pays, inside its own send,
   for waking it: a real client is on another machine. Source addresses are spread over 127.0.0.2 to 127.0.0.51. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DIGITS = 10, BUFFER_SZ = 1 << 18, EVENT_CNT = 256, SPIN_CNT = 64, SOURCE_CNT = 50, MINOR_AT = 7 };

struct conn {
  int  fd;
  long first, done_cnt; /* the number of the first request of the batch in flight, and how many are answered */
  long at;              /* how much of a response has come */
};

static const char STATUS[] = "HTTP/1.1 200 ", BLANK[] = "\r\n\r\n";

static int          port, conn_cnt, depth, epoll_fd, is_compared, is_closing, dial_cnt;
static long         request_at, body_at, request_sz, head_sz, body_sz, response_sz;
static long         responses_cnt, received_sz, batches_left_cnt, counter;
static char        *batch, *body;
static struct conn *conns;

static void die(const char *why) {
  fprintf(stderr, "load: %s: %s\n", why, errno ? strerror(errno) : "wrong answer");
  exit(1);
}

static void wrong(const char *why) {
  errno = 0;
  die(why);
}

static int dial(void) {
  int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)}, from = {.sin_family = AF_INET};
  at.sin_addr.s_addr    = htonl(INADDR_LOOPBACK);
  from.sin_addr.s_addr  = htonl(INADDR_LOOPBACK + 1 + (unsigned)(dial_cnt++ % SOURCE_CNT));
  if (fd < 0) die("socket");
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&from, sizeof from) || connect(fd, (struct sockaddr *)&at, sizeof at)) die("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

static void put_number(char *at, long number) {
  for (int i = DIGITS - 1; i >= 0; i--, number /= 10) at[i] = (char)('0' + number % 10);
}

static void send_all(int fd, const char *data, long sz) {
  for (long at = 0; at < sz;) {
    long n = send(fd, data + at, (size_t)(sz - at), MSG_NOSIGNAL);
    if (n <= 0) die("send");
    at += n;
  }
}

static void send_batch(struct conn *c) {
  c->first = counter, c->done_cnt = 0, counter += depth;
  if (request_at >= 0)
    for (int i = 0; i < depth; i++) put_number(batch + i * request_sz + request_at, c->first + i);
  send_all(c->fd, batch, request_sz * depth);
  batches_left_cnt--;
}

/* The first response, read to its end: the length of its head is everyone's. */
static void learn(int fd) {
  static char buf[BUFFER_SZ];
  long        have_sz = 0;
  char       *end     = NULL;
  send_all(fd, batch, request_sz);
  while (!end) {
    long n = recv(fd, buf + have_sz, (size_t)(sizeof buf - 1 - (size_t)have_sz), 0);
    if (n <= 0) die("first response");
    have_sz += n;
    buf[have_sz] = 0;
    end          = strstr(buf, BLANK);
  }
  char *field = strcasestr(buf, "\r\ncontent-length:");
  if (!field || field > end) wrong("no content-length");
  if (atol(field + 17) != body_sz) wrong("length");
  head_sz     = end + 4 - buf;
  response_sz = head_sz + body_sz;
  for (long n; have_sz < response_sz; have_sz += n)
    if ((n = recv(fd, buf, sizeof buf, 0)) <= 0) die("first response");
  if (have_sz > response_sz) wrong("more bytes than asked for");
}

/* What came of one response: the status and the blank line of its head, every byte of its body. */
static long check(struct conn *c, const char *data, long n) {
  if (c->at < head_sz) {
    if (n > head_sz - c->at) n = head_sz - c->at;
    for (long i = 0, at = c->at; i < n; i++, at++) {
      if (at < (long)sizeof STATUS - 1 && data[i] != STATUS[at] && at != MINOR_AT) wrong("status");
      if (at >= head_sz - 4 && data[i] != BLANK[at - head_sz + 4]) wrong("head");
    }
  } else {
    if (n > response_sz - c->at) n = response_sz - c->at;
    if (body_at >= 0) put_number(body + body_at, c->first + c->done_cnt);
    if (is_compared && memcmp(data, body + c->at - head_sz, (size_t)n)) wrong("body");
  }
  c->at += n;
  if (c->at == response_sz) c->at = 0, c->done_cnt++, responses_cnt++;
  return n;
}

/* 1 when the batch is answered in full, and the connection ended if it must. */
static int receive(struct conn *c) {
  static char buf[BUFFER_SZ];
  long        n = recv(c->fd, buf, sizeof buf, MSG_DONTWAIT), at = 0;
  if (n < 0 && errno == EAGAIN) return 0;
  if (n < 0) die("recv");
  if (n == 0 && !(is_closing && c->done_cnt == depth)) wrong("closed by the server");
  if (n == 0) return 1;
  received_sz += n;
  while (at < n) {
    if (c->done_cnt == depth) wrong("more bytes than asked for");
    at += check(c, buf + at, n - at);
  }
  return c->done_cnt == depth && !is_closing;
}

static int wait_ready(struct epoll_event *events) {
  for (int i = 0;; i++) {
    int n = epoll_wait(epoll_fd, events, EVENT_CNT, 0);
    if (n < 0) die("epoll_wait");
    if (n) return n;
    if (i % SPIN_CNT == SPIN_CNT - 1) sched_yield();
  }
}

static void open_one(struct conn *c) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  c->fd                    = dial();
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event)) die("epoll_ctl");
}

static int start_batch(struct conn *c) {
  if (batches_left_cnt <= 0) return 0;
  if (is_closing) close(c->fd), open_one(c);
  send_batch(c);
  return 1;
}

static void run(long batches_cnt) {
  struct epoll_event events[EVENT_CNT];
  int                busy_cnt = 0;
  batches_left_cnt            = batches_cnt;
  responses_cnt = received_sz = 0;
  for (int i = 0; i < conn_cnt; i++) busy_cnt += start_batch(conns + i);
  while (busy_cnt) {
    int n = wait_ready(events);
    for (int i = 0; i < n; i++) {
      struct conn *c = events[i].data.ptr;
      if (!receive(c)) continue;
      if (start_batch(c)) continue;
      if (is_closing) close(c->fd), c->fd = -1;
      busy_cnt--;
    }
  }
}

static void open_all(void) {
  conns     = calloc((size_t)conn_cnt, sizeof *conns);
  int first = dial();
  learn(first);
  close(first);
  for (int i = 0; i < conn_cnt; i++)
    if (is_closing) conns[i].fd = -1;
    else open_one(conns + i);
}

static void make_body(const char *words) {
  body_sz = words[0] == '=' ? atol(words + 1) : (long)strlen(words);
  body    = malloc((size_t)body_sz + 1);
  if (words[0] == '=') memset(body, 'x', (size_t)body_sz);
  else memcpy(body, words, (size_t)body_sz);
}

int main(int argc, char **argv) {
  char line[64];
  if (argc != 13) return 2;
  port        = atoi(argv[1]);
  conn_cnt    = atoi(argv[2]);
  depth       = atoi(argv[3]);
  request_at  = atol(argv[6]);
  body_at     = atol(argv[7]);
  is_compared = atoi(argv[8]);
  is_closing  = atoi(argv[9]);
  request_sz  = (long)strlen(argv[11]);
  alarm((unsigned)atoi(argv[10]));
  make_body(argv[12]);
  batch = malloc((size_t)(request_sz * depth));
  for (int i = 0; i < depth; i++) memcpy(batch + i * request_sz, argv[11], (size_t)request_sz);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  open_all();
  run(atol(argv[4]));
  printf("ready %ld\n", response_sz), fflush(stdout);
  if (!fgets(line, sizeof line, stdin)) return 3;
  run(atol(argv[5]));
  printf("done %ld %ld\n", responses_cnt, received_sz), fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {}
  return 0;
}

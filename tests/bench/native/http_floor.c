/* The C floor of the HTTP rows: accept, read, count the requests by their length, send as many prebuilt responses.

   usage: http_floor LIFE_S REQUEST_SZ IS_CLOSING HEAD BODY    (prints its port on a line; ends by signal or alarm)

   BODY is written as it is, or =N for N letters x. With IS_CLOSING 1 a connection ends behind its first response.
   Nothing of HTTP is understood. What remains is what any server on this kernel must pay for these bytes. */

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

enum { BUFFER_SZ = 1 << 18, EVENT_CNT = 256, FD_MAX = 1 << 16, BACKLOG = 1024 };

struct conn {
  int  request_part_sz; /* of a request that has not come in full */
  int  at;              /* how much of a response is sent */
  long owed_sz;
};

static struct conn conns[FD_MAX];
static char       *responses;
static long        request_sz, response_sz, responses_sz;
static int         epoll_fd, is_closing;

static void watch(int fd, int order, unsigned what) {
  struct epoll_event event = {.events = what, .data.fd = fd};
  if (epoll_ctl(epoll_fd, order, fd, &event)) exit(1);
}

static int listen_any(void) {
  int                fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_in at = {.sin_family = AF_INET};
  socklen_t          sz = sizeof at;
  at.sin_addr.s_addr    = htonl(INADDR_LOOPBACK);
  if (bind(fd, (struct sockaddr *)&at, sz) || listen(fd, BACKLOG)) exit(1);
  getsockname(fd, (struct sockaddr *)&at, &sz);
  printf("%d\n", ntohs(at.sin_port)), fflush(stdout);
  return fd;
}

static void accept_one(int listen_fd) {
  int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
  if (fd < 0) return;
  if (fd >= FD_MAX) exit(1);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  conns[fd] = (struct conn){0};
  watch(fd, EPOLL_CTL_ADD, EPOLLIN);
}

static void flush(int fd, int was_full) {
  struct conn *c = conns + fd;
  while (c->owed_sz) {
    long room = responses_sz - c->at, n = send(fd, responses + c->at, (size_t)(c->owed_sz < room ? c->owed_sz : room), MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) {
      watch(fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
      return;
    }
    if (n <= 0) exit(1);
    c->owed_sz -= n;
    c->at = (int)((c->at + n) % response_sz);
  }
  if (was_full) watch(fd, EPOLL_CTL_MOD, EPOLLIN);
  if (is_closing) close(fd);
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
  long have_sz       = c->request_part_sz + n;
  c->request_part_sz = (int)(have_sz % request_sz);
  c->owed_sz += have_sz / request_sz * response_sz;
  if (c->owed_sz) flush(fd, 0);
}

static void build_responses(const char *head, const char *words) {
  long head_sz = (long)strlen(head), body_sz = words[0] == '=' ? atol(words + 1) : (long)strlen(words);
  response_sz  = head_sz + body_sz;
  long cnt     = response_sz < BUFFER_SZ ? BUFFER_SZ / response_sz : 1;
  responses_sz = cnt * response_sz;
  responses    = malloc((size_t)responses_sz);
  for (char *at = responses; cnt; cnt--, at += response_sz) {
    memcpy(at, head, (size_t)head_sz);
    if (words[0] == '=') memset(at + head_sz, 'x', (size_t)body_sz);
    else memcpy(at + head_sz, words, (size_t)body_sz);
  }
}

int main(int argc, char **argv) {
  struct epoll_event events[EVENT_CNT];
  if (argc != 6) return 2;
  alarm((unsigned)atoi(argv[1]));
  request_sz = atol(argv[2]);
  is_closing = atoi(argv[3]);
  build_responses(argv[4], argv[5]);
  epoll_fd      = epoll_create1(EPOLL_CLOEXEC);
  int listen_fd = listen_any();
  watch(listen_fd, EPOLL_CTL_ADD, EPOLLIN);
  for (;;) {
    int n = epoll_wait(epoll_fd, events, EVENT_CNT, -1);
    for (int i = 0; i < n; i++) {
      int fd = events[i].data.fd;
      if (fd == listen_fd) accept_one(fd);
      else if (events[i].events & EPOLLOUT) flush(fd, 1);
      else answer(fd);
    }
  }
}

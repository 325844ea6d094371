/* The C floor: accept, read, count the blank lines, write that many prebuilt responses in one send, for ever.

   usage: floor LIFE_S    (prints its port on a line; ends by signal, or by the alarm after LIFE_S seconds)

   Nothing of HTTP is understood. What remains is what any server on this kernel must pay for these bytes. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_SZ = 1 << 16, EVENT_CNT = 256, RESPONSE_CNT = 64 };

static const char RESPONSE[] = "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                               "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\r\nhello, world\n";
static char       responses[sizeof RESPONSE * RESPONSE_CNT];
static int        epoll_fd;

static void watch(int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event)) exit(1);
}

static int listen_any(void) {
  int                fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_in at = {.sin_family = AF_INET};
  socklen_t          sz = sizeof at;
  at.sin_addr.s_addr    = htonl(INADDR_LOOPBACK);
  if (bind(fd, (struct sockaddr *)&at, sz) || listen(fd, 128)) exit(1);
  getsockname(fd, (struct sockaddr *)&at, &sz);
  printf("%d\n", ntohs(at.sin_port)), fflush(stdout);
  return fd;
}

static void welcome(int listen_fd) {
  int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
  if (fd < 0) return;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  watch(fd);
}

static void answer(int fd) {
  static char buf[BUFFER_SZ];
  long        n = recv(fd, buf, sizeof buf, 0), cnt = 0;
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) {
    close(fd);
    return;
  }
  for (char *at = buf; (at = memmem(at, (size_t)(buf + n - at), "\r\n\r\n", 4)); at += 4) cnt++;
  long owed_sz = cnt * (long)(sizeof RESPONSE - 1);
  if (cnt > RESPONSE_CNT || send(fd, responses, (size_t)owed_sz, MSG_NOSIGNAL) != owed_sz) exit(1);
}

int main(int argc, char **argv) {
  struct epoll_event events[EVENT_CNT];
  if (argc != 2) return 2;
  alarm((unsigned)atoi(argv[1]));
  for (int i = 0; i < RESPONSE_CNT; i++) memcpy(responses + i * (sizeof RESPONSE - 1), RESPONSE, sizeof RESPONSE - 1);
  epoll_fd      = epoll_create1(EPOLL_CLOEXEC);
  int listen_fd = listen_any();
  watch(listen_fd);
  for (;;) {
    int n = epoll_wait(epoll_fd, events, EVENT_CNT, -1);
    for (int i = 0; i < n; i++) {
      if (events[i].data.fd == listen_fd) welcome(listen_fd);
      else answer(events[i].data.fd);
    }
  }
}

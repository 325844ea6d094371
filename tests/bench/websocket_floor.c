/* The C floors of the WebSocket benches: what any server on this kernel must pay for these bytes.

   usage: websocket_floor MODE LIFE_S CONNECTIONS DEPTH PAYLOAD_SZ   (prints its port on a line)

   MODE echo    accept, read, count the frames by their length, write as many prebuilt frames in one send, for ever.
   MODE joined  greet CONNECTIONS clients; then, for each byte of standard input, frame DEPTH numbered messages, and one
                send of them all to each client in turn.
   MODE each    the same with a send for every message.

   Nothing is understood: the handshake's answer is a constant, for the load sends a constant key. It ends by signal, by
   the end of its input, or by the alarm after LIFE_S seconds. */

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

enum { BUFFER_SZ = 1 << 16, EVENT_CNT = 256, FD_MAX = 1 << 16, BACKLOG = 1024, DIGITS = 10 };

static const char GREETING[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
static char       greeted[FD_MAX];
static long       part_sz[FD_MAX]; /* of a frame that has not come in full */
static int        epoll_fd, depth;
static long       payload_sz, head_sz, frame_sz, frames_cnt;
static char      *frames;

static void put_frame(char *at, long number) {
  at[0] = (char)0x81;
  at[1] = (char)(payload_sz < 126 ? payload_sz : 126);
  if (payload_sz >= 126) at[2] = (char)(payload_sz >> 8), at[3] = (char)payload_sz;
  for (int i = DIGITS - 1; i >= 0; i--, number /= 10) at[head_sz + i] = (char)('0' + number % 10);
}

static void build_frames(int cnt) {
  frames_cnt = cnt;
  frames     = malloc((size_t)(frame_sz * cnt));
  memset(frames, 'x', (size_t)(frame_sz * cnt));
  for (int i = 0; i < cnt; i++) put_frame(frames + i * frame_sz, 0);
}

static void watch(int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event)) exit(1);
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

static int welcome(int listen_fd, int flags) {
  int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | flags), one = 1;
  if (fd < 0 || fd >= FD_MAX) exit(1);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  greeted[fd] = 0, part_sz[fd] = 0;
  return fd;
}

static void answer(int fd) {
  static char buf[BUFFER_SZ];
  long        n = recv(fd, buf, sizeof buf, 0), request_sz = frame_sz + 4;
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) {
    close(fd);
    return;
  }
  if (!greeted[fd]) {
    send_all(fd, GREETING, sizeof GREETING - 1);
    greeted[fd] = 1;
    return;
  }
  long have_sz = part_sz[fd] + n, cnt = have_sz / request_sz;
  part_sz[fd]  = have_sz % request_sz;
  if (cnt > frames_cnt) exit(1);
  if (cnt) send_all(fd, frames, cnt * frame_sz);
}

static void serve_echo(int listen_fd) {
  struct epoll_event events[EVENT_CNT];
  build_frames(BUFFER_SZ / (int)(frame_sz + 4) + 1);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  watch(listen_fd);
  for (;;) {
    int n = epoll_wait(epoll_fd, events, EVENT_CNT, -1);
    for (int i = 0; i < n; i++) {
      if (events[i].data.fd == listen_fd) watch(welcome(listen_fd, SOCK_NONBLOCK));
      else answer(events[i].data.fd);
    }
  }
}

static void serve_ticks(int listen_fd, int conn_cnt, int is_joined) {
  int *fds      = calloc((size_t)conn_cnt, sizeof *fds);
  long sequence = 0;
  char order;
  build_frames(depth);
  for (int i = 0; i < conn_cnt; i++) answer(fds[i] = welcome(listen_fd, 0));
  while (read(0, &order, 1) == 1) {
    for (int i = 0; i < depth; i++) put_frame(frames + i * frame_sz, sequence++);
    if (is_joined)
      for (int k = 0; k < conn_cnt; k++) send_all(fds[k], frames, frame_sz * depth);
    else
      for (int i = 0; i < depth; i++)
        for (int k = 0; k < conn_cnt; k++) send_all(fds[k], frames + i * frame_sz, frame_sz);
  }
}

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  alarm((unsigned)atoi(argv[2]));
  depth         = atoi(argv[4]);
  payload_sz    = atol(argv[5]);
  head_sz       = payload_sz < 126 ? 2 : 4;
  frame_sz      = head_sz + payload_sz;
  int listen_fd = listen_any();
  if (!strcmp(argv[1], "echo")) serve_echo(listen_fd);
  serve_ticks(listen_fd, atoi(argv[3]), !strcmp(argv[1], "joined"));
  return 0;
}

/* The WebSocket load: it compares every byte that comes with the byte that must come.

   usage: websocket_load MODE PORT CONNECTIONS DEPTH PAYLOAD_SZ FRAGMENTS HAS_PINGS WARM_CNT RUN_CNT EXTRA PER_SECOND
                         LIFE_S

   MODE echo   a closed loop: each connection has one batch of DEPTH masked texts in flight, sent in one write, and sends
               the next when the echo of the last is complete. A text is sent in FRAGMENTS frames; with HAS_PINGS 1 a
               ping follows each, and the pong of the last must have come too. RUN_CNT counts batches. EXTRA is 1 to
               compare payloads, 0 only to count them (a floor answers other payloads of the same length).
   MODE read   the connections only read. A byte written to the descriptor EXTRA orders one tick of DEPTH messages to
               everyone. RUN_CNT counts ticks. With PER_SECOND 0 a tick is ordered when all of the last one has come to
               all; else so many a second, as long as no more than WINDOW are on the way. With FRAGMENTS above 1 every
               so manieth connection is behind: it has little room, reads a little at the end of a tick, and what comes
               to it is not compared, since messages may be left out; nobody waits for it.

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
#include <time.h>
#include <unistd.h>

enum { LITTLE_SZ = 1 << 12, BUFFER_SZ = 1 << 18, EVENT_CNT = 256, SPIN_CNT = 64, MASK_SZ = 4, DIGITS = 10, SOURCE_CNT = 50, WINDOW = 64, PING_SZ = 4 };
enum { TEXT = 0x81, PING = 0x89, PONG = 0x8a, IS_MASKED = 0x80 };

struct conn {
  int           fd;
  long          number;            /* of its first message; echo only */
  long          out_at;            /* how much of the batch is sent */
  long          got_sz;            /* in read: of the stream, since the start */
  int           text_cnt, pong_cnt; /* of the batch in flight */
  int           is_behind;         /* in read: it reads less than comes */
  unsigned char head[10];
  int           head_sz;
  long          left_sz, at; /* of the frame that is coming */
  char         *out;         /* the batch, masked; echo only */
};

static const char REQUEST[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
static const char ACCEPT[]  = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="; /* of that key: RFC 6455 section 1.3 */

static int          conn_cnt, reader_cnt, depth, epoll_fd, is_read, fragment_cnt, has_pings, extra, per_second;
static long         payload_sz, frame_sz, out_sz, message_cnt, received_sz, left_cnt;
static long         ordered_cnt, complete_cnt, came_cnt[WINDOW * 2]; /* ticks, and to how many each has come */
static char        *want; /* a frame, or a payload, whose number is put in when it is compared */
static struct conn *conns;

static void die(const char *why) {
  fprintf(stderr, "load: %s: %s\n", why, errno ? strerror(errno) : "wrong answer");
  exit(1);
}

static void wrong(const char *why) {
  errno = 0;
  die(why);
}

/* A frame's head with the length in its shortest form; returns its size. */
static long put_head(char *at, int first, int mask_bit, long sz) {
  at[0] = (char)first;
  at[1] = (char)(mask_bit | (sz < 126 ? sz : sz < 65536 ? 126 : 127));
  if (sz < 126) return 2;
  int digits = sz < 65536 ? 2 : 8;
  for (int i = 0; i < digits; i++) at[2 + i] = (char)(sz >> 8 * (digits - 1 - i));
  return 2 + digits;
}

static void put_number(char *at, long number) {
  for (int i = DIGITS - 1; i >= 0; i--, number /= 10) at[i] = (char)('0' + number % 10);
}

static char *put_masked(char *at, int first, const char *data, long sz, unsigned mask) {
  at += put_head(at, first, IS_MASKED, sz);
  memcpy(at, &mask, MASK_SZ);
  for (long k = 0; k < sz; k++) at[MASK_SZ + k] = data[k] ^ at[k % MASK_SZ];
  return at + MASK_SZ + sz;
}

/* The batch of a connection; returns its size. */
static long put_batch(char *start, long number) {
  char *at = start;
  for (int i = 0; i < depth; i++) {
    long part_sz = (payload_sz + fragment_cnt - 1) / fragment_cnt;
    put_number(want, number + i);
    for (int k = 0; k < fragment_cnt; k++) {
      long begin = k * part_sz, sz = payload_sz - begin < part_sz ? payload_sz - begin : part_sz;
      int  first = (k == 0 ? TEXT & 0x0f : 0) | (k == fragment_cnt - 1 ? 0x80 : 0);
      at         = put_masked(at, first, want + begin, sz, 0x9d21fa3du * (unsigned)(number + i + k + 1));
    }
    char ping[PING_SZ] = {'p', 'i', 'n', (char)i};
    if (has_pings) at = put_masked(at, PING, ping, PING_SZ, 0x2d9a3f11u * (unsigned)(number + i + 1));
  }
  return at - start;
}

static void shake_hands(int fd, int port) {
  char buf[4096];
  long have_sz = 0;
  int  sz      = snprintf(buf, sizeof buf, REQUEST, port);
  if (send(fd, buf, (size_t)sz, MSG_NOSIGNAL) != sz) die("send");
  do {
    long n = recv(fd, buf + have_sz, sizeof buf - 1 - (size_t)have_sz, 0);
    if (n <= 0) die("handshake");
    buf[have_sz += n] = 0;
  } while (!strstr(buf, "\r\n\r\n"));
  errno = 0;
  if (memcmp(buf, "HTTP/1.1 101 ", 13) || !strstr(buf, ACCEPT)) die("handshake");
  if (memcmp(buf + have_sz - 4, "\r\n\r\n", 4)) die("bytes behind the handshake");
}

static int dial(int port, int number, int is_behind) {
  int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)}, from = {.sin_family = AF_INET};
  at.sin_addr.s_addr    = htonl(INADDR_LOOPBACK);
  from.sin_addr.s_addr  = htonl(INADDR_LOOPBACK + 1 + (unsigned)(number % SOURCE_CNT));
  if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof from)) die("socket");
  int room = LITTLE_SZ;
  if (is_behind && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room)) die("setsockopt");
  if (connect(fd, (struct sockaddr *)&at, sizeof at)) die("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  shake_hands(fd, port);
  return fd;
}

/* Sends as much of the batch as fits; what does not waits for room. */
static void push(struct conn *c, int was_full) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  while (c->out_at < out_sz) {
    long n = send(c->fd, c->out + c->out_at, (size_t)(out_sz - c->out_at), MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) {
      event.events |= EPOLLOUT;
      if (!was_full && epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event)) die("epoll_ctl");
      return;
    }
    if (n <= 0) die("send");
    c->out_at += n;
  }
  if (was_full && epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event)) die("epoll_ctl");
}

static int start_batch(struct conn *c) {
  if (left_cnt <= 0) return 0;
  left_cnt--;
  c->out_at = c->text_cnt = c->pong_cnt = 0;
  push(c, 0);
  return 1;
}

/* -- what comes back: echo ----------------------------------------------------------------------------------------- */

static int head_want(const unsigned char *head, int have) {
  if (have < 2) return 2;
  return (head[1] & 0x7f) == 127 ? 10 : (head[1] & 0x7f) == 126 ? 4 : 2;
}

static void begin_frame(struct conn *c) {
  long sz = c->head[1] & 0x7f, opcode = c->head[0];
  if (sz > 125)
    for (int i = 2, last = sz == 126 ? 4 : 10; i < last; i++) sz = (i == 2 ? 0 : sz << 8) | c->head[i];
  if (!(opcode == TEXT && sz == payload_sz) && !(opcode == PONG && sz == PING_SZ && has_pings)) wrong("frame");
  c->left_sz = sz, c->at = 0;
}

/* Of several pings only the last need be answered (RFC 6455 section 5.5.3), but never one twice or out of order. */
static void check_payload(struct conn *c, const char *data, long n) {
  if (c->head[0] == TEXT) {
    put_number(want, c->number + c->text_cnt);
    if (extra && memcmp(data, want + c->at, (size_t)n)) wrong("payload");
  } else if (c->at + n == PING_SZ) {
    int pong = extra ? data[n - 1] : c->pong_cnt;
    if (pong < c->pong_cnt || pong >= depth) wrong("pong");
    c->pong_cnt = pong; /* one more below */
  }
}

static int receive_echo(struct conn *c, const char *data, long n) {
  while (n) {
    if (c->text_cnt == depth && (!has_pings || c->pong_cnt == depth)) wrong("more bytes than asked for");
    if (!c->left_sz) {
      c->head[c->head_sz++] = (unsigned char)*data++, n--;
      if (c->head_sz < head_want(c->head, c->head_sz)) continue;
      begin_frame(c);
      continue;
    }
    long part = n < c->left_sz ? n : c->left_sz;
    check_payload(c, data, part);
    data += part, n -= part, c->at += part, c->left_sz -= part;
    if (c->left_sz) continue;
    c->head_sz = 0;
    if (c->head[0] == TEXT) c->text_cnt++, message_cnt++;
    else c->pong_cnt++;
  }
  return c->text_cnt == depth && (!has_pings || c->pong_cnt == depth);
}

/* -- what comes: read ---------------------------------------------------------------------------------------------- */

static void receive_stream(struct conn *c, const char *data, long n) {
  while (n) {
    long number = c->got_sz / frame_sz, at = c->got_sz % frame_sz, part = frame_sz - at < n ? frame_sz - at : n;
    if (number >= ordered_cnt * depth) wrong("more bytes than asked for");
    put_number(want + frame_sz - payload_sz, number);
    if (memcmp(data, want + at, (size_t)part)) wrong("payload");
    data += part, n -= part, c->got_sz += part;
    if (at + part < frame_sz) continue;
    message_cnt++;
    if ((number + 1) % depth == 0) came_cnt[number / depth % (WINDOW * 2)]++;
  }
}

/* Reads a little for those that are behind. */
static void read_behind(void) {
  static char buf[LITTLE_SZ];
  for (int i = 0; i < conn_cnt && reader_cnt < conn_cnt; i++)
    if (conns[i].is_behind && recv(conns[i].fd, buf, sizeof buf, 0) == 0) wrong("closed by the server");
}

static void order_tick(void) {
  read_behind();
  came_cnt[ordered_cnt++ % (WINDOW * 2)] = 0;
  left_cnt--;
  if (write(extra, "\n", 1) != 1) die("control");
}

/* Orders what is due; 0 when all has been ordered and has come. */
static int order_ticks(double *due) {
  struct timespec now;
  while (complete_cnt < ordered_cnt && came_cnt[complete_cnt % (WINDOW * 2)] == reader_cnt) complete_cnt++;
  if (!per_second) {
    if (left_cnt && complete_cnt == ordered_cnt) order_tick();
    return complete_cnt < ordered_cnt;
  }
  clock_gettime(CLOCK_MONOTONIC, &now);
  double at = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
  if (!*due) *due = at;
  for (; left_cnt && at >= *due && ordered_cnt - complete_cnt < WINDOW; *due += 1.0 / per_second) order_tick();
  return left_cnt || complete_cnt < ordered_cnt;
}

/* -- the loop ------------------------------------------------------------------------------------------------------ */

static int receive(struct conn *c) {
  static char buf[BUFFER_SZ];
  long        n = recv(c->fd, buf, sizeof buf, 0);
  if (n < 0 && errno == EAGAIN) return 0;
  if (n < 0) die("recv");
  if (n == 0) wrong("closed by the server");
  received_sz += n;
  if (!is_read) return receive_echo(c, buf, n);
  receive_stream(c, buf, n);
  return 0;
}

static int poll_ready(struct epoll_event *events) {
  static int idle_cnt;
  int        n = epoll_wait(epoll_fd, events, EVENT_CNT, 0);
  if (n < 0) die("epoll_wait");
  if (!n && ++idle_cnt % SPIN_CNT == 0) sched_yield();
  return n;
}

static void run(long run_cnt) {
  struct epoll_event events[EVENT_CNT];
  int                busy_cnt = 0;
  double             due      = 0;
  left_cnt                    = run_cnt;
  message_cnt = received_sz = 0;
  for (int i = 0; i < conn_cnt && !is_read; i++) busy_cnt += start_batch(conns + i);
  while (is_read ? order_ticks(&due) : busy_cnt) {
    int n = poll_ready(events);
    for (int i = 0; i < n; i++) {
      struct conn *c = events[i].data.ptr;
      if (events[i].events & EPOLLOUT) push(c, 1);
      if (events[i].events & ~(unsigned)EPOLLOUT && receive(c)) busy_cnt += start_batch(c) - 1;
    }
  }
}

static void open_all(int port) {
  conns = calloc((size_t)conn_cnt, sizeof *conns);
  for (int i = 0; i < conn_cnt; i++) {
    struct conn       *c     = conns + i;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    c->number                = (long)i * depth;
    if (!is_read) c->out = malloc((size_t)(depth * (payload_sz + fragment_cnt * 14 + PING_SZ + 14)));
    if (!is_read) out_sz = put_batch(c->out, c->number);
    c->is_behind = is_read && fragment_cnt > 1 && i % fragment_cnt == 1;
    reader_cnt += !c->is_behind;
    c->fd = dial(port, i, c->is_behind);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    if (!c->is_behind && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event)) die("epoll_ctl");
  }
}

int main(int argc, char **argv) {
  char line[64];
  if (argc != 13) return 2;
  is_read      = !strcmp(argv[1], "read");
  conn_cnt     = atoi(argv[3]);
  depth        = atoi(argv[4]);
  payload_sz   = atol(argv[5]);
  fragment_cnt = atoi(argv[6]);
  has_pings    = atoi(argv[7]);
  extra        = atoi(argv[10]);
  per_second   = atoi(argv[11]);
  if (payload_sz < DIGITS || depth > 127) return 2;
  alarm((unsigned)atoi(argv[12]));
  char head[10];
  long head_sz = put_head(head, TEXT, 0, payload_sz);
  frame_sz     = head_sz + payload_sz;
  want         = malloc((size_t)frame_sz);
  memset(want, 'x', (size_t)frame_sz);
  if (is_read) memcpy(want, head, (size_t)head_sz);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  open_all(atoi(argv[2]));
  run(atol(argv[8]));
  printf("ready\n"), fflush(stdout);
  if (!fgets(line, sizeof line, stdin)) return 3;
  run(atol(argv[9]));
  printf("done %ld %ld\n", message_cnt, received_sz), fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {}
  return 0;
}

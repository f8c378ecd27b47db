/* SPDX-License-Identifier: MIT
 *
 * What the kernel alone takes to carry datagrams to a third process and back:
 *
 *     loopback_chain SECONDS WINDOW SIZE
 *
 * Four processes on 127.0.0.1 pass datagrams of SIZE bytes along a line and
 * back, with the system calls that a node makes (recvmmsg, sendmmsg, trains)
 * and without looking at them. WINDOW of them are under way all the time.
 * Prints: datagrams that came back, seconds, processor seconds of all four.
 */
#include "bench.h"

#include <arpa/inet.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define NODES        4 /* the client, two that forward, one that turns around */
#define BATCH        32
#define TRAIN        (64 * 1024)
#define SEGMENTS     46 /* of 1,400 bytes, that fit in a train */
#define BUFFER       (4 * 1024 * 1024)
#define SIZE_MAX_UDP 1400

static int sockets[NODES];
static struct sockaddr_in addresses[NODES];

static uint8_t buffers[BATCH][TRAIN];
static struct mmsghdr messages[BATCH];
static struct iovec parts[BATCH];
static struct sockaddr_in from[BATCH];
static _Alignas(struct cmsghdr) uint8_t controls[BATCH][64];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void open_socket(unsigned i)
{
    struct sockaddr_in any = {.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addresses[i]);
    struct timeval patience = {.tv_usec = 100000};
    int on = 1, size = BUFFER, s = socket(AF_INET, SOCK_DGRAM, 0);

    if (s < 0 || bind(s, (struct sockaddr *)&any, sizeof(any)) != 0 ||
        getsockname(s, (struct sockaddr *)&addresses[i], &len) != 0 ||
        setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) !=
            0)
        die("socket");
    setsockopt(s, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
    if (setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
        setsockopt(s, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    sockets[i] = s;
}

/* ---- Passing on --------------------------------------------------------- */

static void set_segment(struct msghdr *m, unsigned i, uint16_t segment)
{
    struct cmsghdr *c;

    m->msg_control = controls[i];
    m->msg_controllen = CMSG_SPACE(sizeof(segment));
    c = CMSG_FIRSTHDR(m);
    c->cmsg_level = IPPROTO_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof(segment));
    memcpy(CMSG_DATA(c), &segment, sizeof(segment));
}

static void send_all(unsigned self, unsigned n)
{
    for (unsigned done = 0; done < n;) {
        int r = sendmmsg(sockets[self], messages + done, n - done, 0);

        done += r > 0 ? (unsigned)r : 1;
    }
}

static int receive(unsigned self)
{
    for (unsigned i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){buffers[i], TRAIN};
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = &from[i],
            .msg_namelen = sizeof(from[i]),
            .msg_iov = &parts[i],
            .msg_iovlen = 1,
            .msg_control = controls[i],
            .msg_controllen = sizeof(controls[i]),
        };
    }
    return recvmmsg(sockets[self], messages, BATCH, MSG_WAITFORONE, NULL);
}

/* What came from the next goes to the one before, else to the next; at the
 * ends it turns around. */
static unsigned other_side(unsigned self, unsigned i)
{
    if (self == 0)
        return 1;
    if (self == NODES - 1 || from[i].sin_port == addresses[self + 1].sin_port)
        return self - 1;
    return self + 1;
}

/* How many datagrams were passed on; 0 when none came for a while. */
static unsigned pass_on(unsigned self, unsigned size)
{
    int n = receive(self);
    unsigned datagrams = 0;

    for (int i = 0; i < n; i++) {
        struct msghdr *m = &messages[i].msg_hdr;
        unsigned len = messages[i].msg_len;

        parts[i].iov_len = len;
        m->msg_name = &addresses[other_side(self, (unsigned)i)];
        m->msg_control = NULL;
        m->msg_controllen = 0;
        if (len > size)
            set_segment(m, (unsigned)i, (uint16_t)size);
        datagrams += len / size;
    }
    if (n > 0)
        send_all(self, (unsigned)n);
    return datagrams;
}

/* ---- The client --------------------------------------------------------- */

static void inject(unsigned count, unsigned size)
{
    unsigned n = 0;

    for (; count > 0 && n < BATCH; n++) {
        unsigned train = count < SEGMENTS ? count : SEGMENTS;

        parts[n] = (struct iovec){buffers[n], (size_t)train * size};
        messages[n].msg_hdr =
            (struct msghdr){.msg_name = &addresses[1],
                            .msg_namelen = sizeof(addresses[1]),
                            .msg_iov = &parts[n],
                            .msg_iovlen = 1};
        if (train > 1)
            set_segment(&messages[n].msg_hdr, n, (uint16_t)size);
        count -= train;
    }
    send_all(0, n);
}

static double children_cpu(void)
{
    struct rusage u;

    getrusage(RUSAGE_CHILDREN, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static pid_t start(unsigned self, unsigned size)
{
    pid_t child = fork();

    if (child < 0)
        die("fork");
    if (child > 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        pass_on(self, size);
}

int main(int argc, char **argv)
{
    double seconds = argc == 4 ? atof(argv[1]) : 0, begun, elapsed;
    unsigned window = argc == 4 ? (unsigned)atoi(argv[2]) : 0;
    unsigned size = argc == 4 ? (unsigned)atoi(argv[3]) : 0;
    unsigned long datagrams = 0;
    pid_t children[NODES];

    if (seconds <= 0 || window == 0 || window > BATCH * SEGMENTS || size == 0 ||
        size > SIZE_MAX_UDP) {
        fprintf(stderr, "usage: loopback_chain SECONDS WINDOW SIZE\n");
        return 2;
    }
    for (unsigned i = 0; i < NODES; i++)
        open_socket(i);
    for (unsigned i = 1; i < NODES; i++)
        children[i] = start(i, size);
    begun = bench_clock(CLOCK_MONOTONIC);
    inject(window, size);
    do {
        unsigned n = pass_on(0, size);

        datagrams += n;
        if (n == 0)
            inject(window, size); /* all were lost */
        elapsed = bench_clock(CLOCK_MONOTONIC) - begun;
    } while (elapsed < seconds);
    for (unsigned i = 1; i < NODES; i++) {
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
    }
    printf("%lu %.6f %.6f\n", datagrams, elapsed, bench_cpu() + children_cpu());
    return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * A switch between network namespaces whose links are slow and lose packets,
 * for kernels without netem, and the same for all programs on them.
 *
 *     slow_links NAMESPACE...
 *
 * Gives the Nth namespace (of ip-netns(8)) a device w0, whose address is to be
 * 5.88.0.N, says "ready", and carries packets between them until its input
 * ends. A line of that, "DELAY LOSS", has them come after so many ms, and so
 * many of 10,000 be lost; at first 0 and 0. Those to and from the last
 * namespace always come at once: servers are there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define PORTS_MAX  64
#define PACKET_MAX 1500
#define SLOTS      (1U << 16) /* on their way; more are lost */
#define BATCH      64
#define NETWORK    0x05580000U /* 5.88.0.0 */

struct packet {
    uint64_t at; /* ns */
    uint16_t len, to;
    uint8_t bytes[PACKET_MAX];
};

static struct {
    int port[PORTS_MAX + 2]; /* then the timer, and the input */
    unsigned ports;
    uint64_t delay, random;
    unsigned loss;
    struct packet *way; /* all take as long: a ring */
    unsigned first, count;
    int timer;
} net;

static void die(const char *what)
{
    fprintf(stderr, "slow_links: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static uint64_t next_random(void)
{
    net.random ^= net.random >> 12;
    net.random ^= net.random << 25;
    net.random ^= net.random >> 27;
    return net.random * UINT64_C(0x2545f4914f6cdd1d);
}

/* A device of the namespace; this process moves there and stays. */
static int open_port(const char *name)
{
    char path[256];
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    int space, fd;

    snprintf(path, sizeof(path), "/run/netns/%s", name);
    space = open(path, O_RDONLY | O_CLOEXEC);
    if (space < 0 || setns(space, CLONE_NEWNET) != 0)
        die(path);
    close(space);
    fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    memcpy(request.ifr_name, "w0", sizeof("w0"));
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0)
        die("/dev/net/tun");
    return fd;
}

/* Which port has the destination; PORTS_MAX: none. */
static unsigned port_of(const uint8_t *packet, size_t len)
{
    uint32_t to;

    if (len < 20 || packet[0] >> 4 != 4)
        return PORTS_MAX;
    memcpy(&to, packet + 16, sizeof(to));
    to = ntohl(to) - NETWORK;
    return to >= 1 && to <= net.ports ? to - 1 : PORTS_MAX;
}

static void carry(unsigned to, const uint8_t *bytes, size_t len)
{
    if (write(net.port[to], bytes, len) < 0)
        return; /* its queue is full: lost */
}

static void take(unsigned from, uint64_t now)
{
    for (unsigned i = 0; i < BATCH; i++) {
        struct packet *p = &net.way[(net.first + net.count) % SLOTS];
        ssize_t len = read(net.port[from], p->bytes, sizeof(p->bytes));
        unsigned to;

        if (len < 0)
            return;
        to = port_of(p->bytes, (size_t)len);
        if (to == PORTS_MAX)
            continue;
        if (from == net.ports - 1 || to == net.ports - 1) {
            carry(to, p->bytes, (size_t)len);
            continue;
        }
        if (next_random() % 10000 < net.loss || net.count == SLOTS - 1)
            continue;
        p->at = now + net.delay;
        p->len = (uint16_t)len;
        p->to = (uint16_t)to;
        net.count++;
    }
}

/* False when there are no more. */
static bool obey(void)
{
    char line[64] = {0};
    unsigned delay, loss;
    ssize_t len = read(STDIN_FILENO, line, sizeof(line) - 1);

    if (len <= 0)
        return false;
    if (sscanf(line, "%u %u", &delay, &loss) == 2) {
        net.delay = delay * UINT64_C(1000000);
        net.loss = loss;
    }
    return true;
}

static void give(uint64_t now)
{
    struct itimerspec t = {0};

    while (net.count > 0 && net.way[net.first].at <= now) {
        struct packet *p = &net.way[net.first];

        carry(p->to, p->bytes, p->len);
        net.first = (net.first + 1) % SLOTS;
        net.count--;
    }
    if (net.count == 0)
        return;
    t.it_value.tv_sec = (time_t)(net.way[net.first].at / 1000000000U);
    t.it_value.tv_nsec = (long)(net.way[net.first].at % 1000000000U);
    timerfd_settime(net.timer, TFD_TIMER_ABSTIME, &t, NULL);
}

static int run(void)
{
    int poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event[PORTS_MAX + 2];

    net.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (poll < 0 || net.timer < 0)
        die("epoll, timerfd");
    net.port[net.ports] = net.timer;
    net.port[net.ports + 1] = STDIN_FILENO;
    for (unsigned i = 0; i < net.ports + 2; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};

        epoll_ctl(poll, EPOLL_CTL_ADD, net.port[i], &e);
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        int count = epoll_wait(poll, event, PORTS_MAX + 2, -1);
        uint64_t now = now_ns(), ticks;

        for (int i = 0; i < count; i++) {
            unsigned which = event[i].data.u32;

            if (which < net.ports)
                take(which, now);
            else if (which == net.ports + 1 && !obey())
                return 0;
            else if (which == net.ports &&
                     read(net.timer, &ticks, sizeof(ticks)) < 0)
                continue;
        }
        give(now);
    }
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc - 1 > PORTS_MAX) {
        fputs("usage: slow_links NAMESPACE NAMESPACE...\n", stderr);
        return 2;
    }
    net.random = UINT64_C(0x9e3779b97f4a7c15);
    net.way = calloc(SLOTS, sizeof(*net.way));
    if (net.way == NULL)
        die("memory");
    for (int i = 1; i < argc; i++)
        net.port[net.ports++] = open_port(argv[i]);
    return run();
}

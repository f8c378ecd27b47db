/* SPDX-License-Identifier: MIT
 *
 * A server in a process of its own, on a core of its own, that is measured by
 * its own processor time; the client has the other core.
 */
#ifndef WARREN_BENCH_BENCH_SERVER_H
#define WARREN_BENCH_BENCH_SERVER_H

#include "bench.h"
#include "node/net/udp.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

static inline void die(const char *what)
{
    perror(what);
    exit(1);
}

static inline struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                .sin_port = htons(port)};
}

/* A socket with buffers of this many bytes. */
static inline int bound_socket(int buffer, uint16_t *port)
{
    struct sockaddr_in sa = loopback(0);
    socklen_t len = sizeof(sa);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 ||
        getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
        die("bind");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
    *port = ntohs(sa.sin_port);
    return fd;
}

static inline void receive_timeout(int fd, long us)
{
    struct timeval wait = {.tv_usec = us};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
}

/* ---- The server's side --------------------------------------------------- */

/* Where it listens, for the one who started it. */
static inline void tell_port(int ready, uint16_t port)
{
    if (write(ready, &port, sizeof(port)) != sizeof(port))
        die("write");
}

/* The daemon's sockets on the daemon's loop, which is to be run. */
static inline struct event_base *listen_udp(const struct udp_handlers *handlers,
                                            int ready, struct udp **out)
{
    const struct udp_config config = {4 << 20, 4 << 20};
    struct endpoint at = {.addr = {127, 0, 0, 1}};
    struct event_base *base = event_base_new();
    struct text why;

    text_init(&why, 256);
    *out = base == NULL ? NULL : udp_new(base, &config, handlers, NULL);
    if (*out == NULL || udp_listen(*out, &at, &why) != OK)
        die("listen");
    at = udp_local(*out, 0);
    tell_port(ready, at.port);
    return base;
}

/* ---- The client's side --------------------------------------------------- */

struct server {
    pid_t pid;
    clockid_t clock; /* its processor time */
    uint16_t port;
    int pipe[2];
};

static inline void pin(size_t cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof(set), &set); /* one core: does without */
}

/* `serve` tells its port to `ready` and does not return. */
static inline void server_start(struct server *s,
                                void (*serve)(void *arg, int ready), void *arg)
{
    if (pipe(s->pipe) != 0 || (s->pid = fork()) < 0)
        die("fork");
    if (s->pid == 0) {
        pin(0);
        serve(arg, s->pipe[1]);
        _exit(1);
    }
    pin(1);
    if (read(s->pipe[0], &s->port, sizeof(s->port)) != sizeof(s->port) ||
        clock_getcpuclockid(s->pid, &s->clock) != 0)
        die("server");
}

static inline void server_stop(struct server *s)
{
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    close(s->pipe[0]);
    close(s->pipe[1]);
}

#endif

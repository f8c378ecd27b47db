/* SPDX-License-Identifier: MIT */
#include "cli/exec/exec_carry.h"

#include "cli/exec/exec_datagrams.h"
#include "cli/exec/exec_dns.h"
#include "cli/exec/exec_names.h"
#include "cli/exec/exec_stream.h"
#include "cli/show/say.h"
#include "node/os/clock.h"
#include "node/os/files.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES       (2 * EXEC_STREAMS_MAX + 2 * EXEC_FLOWS_MAX + 64)
#define HOST_SIZE   256
#define DNS_BATCH   64
#define QUERY_MAX   4096
#define CONTROL_MAX 256

struct carrier {
    const struct exec_carry *plan;
    struct event_base *base;
    int program; /* a pidfd */
    char own[HOST_SIZE];
    struct exec_dns dns;
    struct exec_names names;
    struct exec_streams streams;
    struct exec_datagrams datagrams;
};

/* ---- What comes --------------------------------------------------------- */

/* The answer is to come from where the question went. */
static void turn_round(struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL;
         c = CMSG_NXTHDR(m, c)) {
        struct in_pktinfo info;

        if (c->cmsg_level != SOL_IP || c->cmsg_type != IP_PKTINFO)
            continue;
        memcpy(&info, CMSG_DATA(c), sizeof(info));
        info.ipi_ifindex = 0;
        info.ipi_spec_dst = info.ipi_addr;
        memcpy(CMSG_DATA(c), &info, sizeof(info));
    }
}

static void on_question(evutil_socket_t fd, short what, void *arg)
{
    struct carrier *c = arg;

    (void)what;
    for (unsigned i = 0; i < DNS_BATCH; i++) {
        uint8_t in[QUERY_MAX], out[DNS_DATAGRAM_MAX];
        _Alignas(struct cmsghdr) uint8_t control[CONTROL_MAX];
        struct sockaddr_storage sa;
        struct iovec io = {.iov_base = in, .iov_len = sizeof(in)};
        struct msghdr m = {.msg_name = &sa,
                           .msg_namelen = sizeof(sa),
                           .msg_iov = &io,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof(control)};
        ssize_t r = recvmsg(fd, &m, 0);

        if (r < 0)
            return;
        io.iov_base = out;
        io.iov_len =
            exec_dns_answer(&c->dns, bytes_of(in, (size_t)r), clock_now(), out);
        turn_round(&m);
        if (io.iov_len > 0)
            (void)sendmsg(fd, &m, MSG_NOSIGNAL);
    }
}

static void on_program_over(evutil_socket_t fd, short what, void *arg)
{
    const struct carrier *c = arg;

    (void)fd;
    (void)what;
    event_base_loopbreak(c->base);
}

/* Nothing else comes than the end of the request, or of the daemon. */
static void on_daemon_over(evutil_socket_t fd, short what, void *arg)
{
    const struct carrier *c = arg;

    (void)fd;
    (void)what;
    cli_fail(EXIT_NO_DAEMON,
             "the daemon is gone, and with it the connections of %s",
             c->plan->program);
    event_base_loopbreak(c->base);
}

/* ---- Life --------------------------------------------------------------- */

static bool watch(struct carrier *c, int fd, event_callback_fn on)
{
    struct event *e = event_new(c->base, fd, EV_READ | EV_PERSIST, on, c);

    return e != NULL && event_add(e, NULL) == 0; /* goes with the process */
}

static void fill_random(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    randombytes_buf(buf, len);
}

static bool start(struct carrier *c)
{
    static const struct random_source random = {.fill = fill_random};
    const struct exec_sockets *s = c->plan->sockets;
    const struct exec_proxy *proxy = &c->plan->proxy;

    c->base = event_base_new();
    if (c->base == NULL || !watch(c, c->program, on_program_over) ||
        !watch(c, c->plan->control, on_daemon_over))
        return false;
    if (s == NULL)
        return true;
    gethostname(c->own, sizeof(c->own) - 1);
    c->dns = (struct exec_dns){
        .names = &c->names, .own = c->own, .ipv6 = s->tcp[FAMILY_IPV6] >= 0};
    exec_names_init(&c->names, EXEC_NAMES_MAX, &random);
    return watch(c, s->dns, on_question) &&
           exec_streams_start(&c->streams, c->base, proxy, &c->names, s->tcp) ==
               OK &&
           exec_datagrams_start(&c->datagrams, c->base, proxy, &c->names,
                                s->udp, s->raw) == OK;
}

static bool is_kept(const struct carrier *c, int fd)
{
    const struct exec_sockets *s = c->plan->sockets;
    const int *fds = (const int *)s;

    if (fd == STDERR_FILENO || fd == c->program || fd == c->plan->control)
        return true;
    for (size_t i = 0; s != NULL && i < sizeof(*s) / sizeof(int); i++)
        if (fds[i] == fd)
            return true;
    return false;
}

/* Whoever waits for the end of a file that the program has is not to wait for
 * this process too. */
static void close_others(const struct carrier *c, int also)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        int fd = atoi(entry->d_name);

        if (fd > STDERR_FILENO && fd != dirfd(dir) && fd != also &&
            fd != null && !is_kept(c, fd))
            close(fd);
    }
    if (dir != NULL)
        closedir(dir);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    close(null);
}

/* `ready` is told by a byte. Does not return. */
static void run(struct carrier *c, int ready)
{
    bool started;

    setsid();
    signal(SIGPIPE, SIG_IGN);
    close_others(c, ready);
    files_raise(FILES);
    started = start(c) && write(ready, "", 1) == 1;
    close(ready);
    if (started)
        event_base_dispatch(c->base);
    if (started && c->plan->sockets != NULL) {
        exec_streams_stop(&c->streams);
        exec_datagrams_stop(&c->datagrams);
    }
    _exit(started ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void fork_again(struct carrier *c, int ready)
{
    pid_t pid = fork();

    if (pid == 0)
        run(c, ready);
    _exit(pid < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

enum error exec_carry_start(const struct exec_carry *plan, struct text *why)
{
    static struct carrier c;
    int ready[2] = {-1, -1};
    bool started;
    pid_t pid = -1;
    char byte;

    c.plan = plan;
    c.program = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (c.program >= 0 && pipe2(ready, O_CLOEXEC) == 0)
        pid = fork();
    if (pid == 0) {
        close(ready[0]);
        fork_again(&c, ready[1]);
    }
    if (ready[1] >= 0)
        close(ready[1]);
    started = pid > 0 && waitpid(pid, NULL, 0) == pid &&
              read(ready[0], &byte, 1) == 1;
    if (!started)
        text_addf(why, "the process beside the program does not start: %s",
                  pid < 0 ? strerror(errno) : "it has ended");
    if (ready[0] >= 0)
        close(ready[0]);
    if (c.program >= 0)
        close(c.program);
    return started ? OK : ERR_IO;
}

/* SPDX-License-Identifier: MIT
 *
 *     this process                    the holder
 *     fork                       ->   unshare
 *     write its uid_map          <-   "unshared"
 *     "mapped"                   ->   mounts, addresses, rules, sockets
 *     takes the sockets          <-   "made", or what went wrong
 *     setns, when it enters           waits
 */
#include "cli/exec/exec_space.h"

#include "cli/exec/exec_inside.h"
#include "cli/exec/exec_names.h"
#include "cli/exec/exec_privileges.h"
#include "node/os/sockaddr.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPACES    (CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS)
#define WHY_MAX   512
#define ALL_IDS   "0 0 4294967295"
#define MAP_MAX   64
#define DIED      "the process that makes them has died"
#define PATH_MAX_ 4096
#define SOCKETS   ((int)(sizeof(struct exec_sockets) / sizeof(int)))

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(struct exec_sockets))];
};

/* ---- Between the two ---------------------------------------------------- */

/* A word, or, when `sockets` is there, those that are open. */
static bool tell(int fd, const char *word, const struct exec_sockets *sockets)
{
    struct iovec io = {.iov_base = (void *)(uintptr_t)word,
                       .iov_len = strlen(word)};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
    const int *fds = (const int *)sockets;
    union control control = {0};
    struct cmsghdr *c;
    int count = 0;

    if (sockets != NULL) {
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof(control.bytes);
        c = CMSG_FIRSTHDR(&m);
        for (int i = 0; i < SOCKETS; i++)
            if (fds[i] >= 0)
                memcpy(CMSG_DATA(c) + sizeof(int) * (size_t)count++, &fds[i],
                       sizeof(int));
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
        m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
    }
    return sendmsg(fd, &m, MSG_NOSIGNAL) >= 0;
}

/* All of them, or, without IPv6, those of IPv4. */
static bool take_sockets(struct msghdr *m, struct exec_sockets *out)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    int *fds = (int *)out;
    size_t count, at = 0;

    if (c == NULL || c->cmsg_type != SCM_RIGHTS)
        return false;
    count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    if (count != SOCKETS && count != SOCKETS / FAMILIES + 1)
        return false;
    for (int i = 0; i < SOCKETS; i++) {
        bool there = count == SOCKETS || i % FAMILIES == 0;

        if (there)
            memcpy(&fds[i], CMSG_DATA(c) + sizeof(int) * at++, sizeof(int));
    }
    return true;
}

/* The next word; with `sockets` they come along, or the word says why not. */
static bool hear(int fd, char word[WHY_MAX], struct exec_sockets *sockets)
{
    union control control;
    struct iovec io = {.iov_base = word, .iov_len = WHY_MAX - 1};
    struct msghdr m = {.msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    ssize_t r;

    do {
        r = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
    } while (r < 0 && errno == EINTR);
    word[r < 0 ? 0 : r] = '\0';
    return r > 0 && (sockets == NULL || take_sockets(&m, sockets));
}

/* ---- The holder --------------------------------------------------------- */

static void fail(int fd, const char *why)
{
    tell(fd, why, NULL);
    _exit(EXIT_FAILURE);
}

static const char *unshare_hint(int errnum)
{
    switch (errnum) {
    case EPERM:
    case EACCES:
        return " (the system, or the container that this is, lets users make "
               "no namespaces)";
    case ENOSPC:
    case EUSERS:
        return " (user.max_user_namespaces, or another limit of namespaces)";
    default:
        return "";
    }
}

static void hold(int fd)
{
    struct exec_sockets sockets;
    char word[WHY_MAX];
    struct text why;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (unshare(SPACES) != 0) {
        int errnum = errno;

        snprintf(word, sizeof(word), "unshare: %s%s", strerror(errnum),
                 unshare_hint(errnum));
        fail(fd, word);
    }
    if (!tell(fd, "unshared", NULL) || !hear(fd, word, NULL))
        _exit(EXIT_FAILURE);
    text_init(&why, WHY_MAX - 1);
    if (exec_inside_make(&sockets, &why) != OK)
        fail(fd, text_get(&why));
    text_deinit(&why);
    if (tell(fd, "made", &sockets))
        hear(fd, word, NULL); /* which ends when nobody wants it any more */
    _exit(EXIT_SUCCESS);
}

/* ---- This process ------------------------------------------------------- */

static bool write_file(pid_t pid, const char *name, const char *text)
{
    char path[MAP_MAX];
    int fd;
    bool done;

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return done;
}

/* All ids as they are, which root alone may write; or this user and group
 * alone. */
static bool map_ids(pid_t pid)
{
    char uid[MAP_MAX], gid[MAP_MAX];

    bool mapped = geteuid() == 0 && write_file(pid, "uid_map", ALL_IDS);

    if (mapped && write_file(pid, "gid_map", ALL_IDS))
        return true;
    snprintf(uid, sizeof(uid), "%u %u 1", geteuid(), geteuid());
    snprintf(gid, sizeof(gid), "%u %u 1", getegid(), getegid());
    return write_file(pid, "setgroups", "deny") &&
           (mapped || write_file(pid, "uid_map", uid)) &&
           write_file(pid, "gid_map", gid);
}

/* What is sent to an address of this machine is sent from it. To bind to one
 * says less: net.ipv4.ip_nonlocal_bind. */
bool exec_space_is_here(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct endpoint own, from;
    struct sockaddr_storage sa;
    socklen_t len;
    bool here;

    if (fd < 0)
        return false;
    endpoint_parse_addr(EXEC_OWN_IPV4, &own);
    own.port = 1;
    len = sockaddr_from_endpoint(&own, &sa);
    here = connect(fd, (struct sockaddr *)&sa, len) == 0 &&
           getsockname(fd, (struct sockaddr *)&sa, &len) == 0 &&
           sockaddr_to_endpoint((struct sockaddr *)&sa, &from) == OK &&
           endpoint_same_addr(&from, &own);
    close(fd);
    return here;
}

static enum error talk_to(struct exec_space *s, struct text *why)
{
    char word[WHY_MAX];

    if (!hear(s->talk, word, NULL) || strcmp(word, "unshared") != 0) {
        text_add(why, word[0] == '\0' ? DIED : word);
        return ERR_UNSUPPORTED;
    }
    if (!map_ids(s->holder)) {
        text_addf(why, "uid_map: %s", strerror(errno));
        return ERR_UNSUPPORTED;
    }
    tell(s->talk, "mapped", NULL);
    if (hear(s->talk, word, &s->sockets))
        return OK;
    text_add(why, word[0] == '\0' ? DIED : word);
    return ERR_UNSUPPORTED;
}

enum error exec_space_make(struct exec_space *out, struct text *why)
{
    struct exec_space s;
    int pair[2];
    enum error e;

    memset(&s, -1, sizeof(s)); /* no descriptor, anywhere */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        text_addf(why, "socketpair: %s", strerror(errno));
        return ERR_UNSUPPORTED;
    }
    s.holder = fork();
    if (s.holder == 0) {
        close(pair[0]);
        hold(pair[1]);
    }
    close(pair[1]);
    s.talk = pair[0];
    if (s.holder > 0)
        s.holder_fd = (int)syscall(SYS_pidfd_open, s.holder, 0);
    if (s.holder_fd < 0) {
        text_addf(why, "%s: %s", s.holder < 0 ? "fork" : "pidfd_open",
                  strerror(errno));
        e = ERR_UNSUPPORTED;
    } else {
        e = talk_to(&s, why);
    }
    if (e != OK)
        exec_space_free(&s);
    *out = s;
    return e;
}

void exec_space_forget_sockets(struct exec_space *s)
{
    int *fds = (int *)&s->sockets;

    for (int i = 0; i < SOCKETS; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

void exec_space_free(struct exec_space *s)
{
    exec_space_forget_sockets(s);
    if (s->talk >= 0)
        close(s->talk);
    if (s->holder_fd >= 0)
        close(s->holder_fd);
    if (s->holder > 0)
        waitpid(s->holder, NULL, 0);
}

/* ---- Going there -------------------------------------------------------- */

static enum error say(struct text *why, const char *what)
{
    text_addf(why, "%s: %s", what, strerror(errno));
    return ERR_IO;
}

enum error exec_space_enter(struct exec_space *s, struct text *why)
{
    char here[PATH_MAX_];
    bool all_ids = geteuid() == 0;

    if (getcwd(here, sizeof(here)) == NULL)
        return say(why, "getcwd");
    exec_close_leaky();
    if (setns(s->holder_fd, SPACES) != 0)
        return say(why, "setns");
    if (chdir(here) != 0) /* a path of the new mounts */
        return say(why, here);
    exec_space_free(s);
    if (!exec_drop_privileges(all_ids))
        return say(why, "cannot drop privileges");
    return OK;
}

/* SPDX-License-Identifier: MIT
 *
 * Bound sockets. What is wrong when there is none comes with what to do about
 * it: another address helps only where the address is what is wrong.
 */
#include "node/os/bind.h"

#include "node/os/sockaddr.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A bound socket, or -1 with errno. */
static int open_socket(int type, const struct endpoint *at,
                       struct endpoint *local)
{
    struct sockaddr_storage sa;
    socklen_t len = sockaddr_from_endpoint(at, &sa);
    int one = 1, saved;
    int fd = socket(sa.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if ((at->family == FAMILY_IPV6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0) ||
        /* TCP alone: else the last connections of the process before us hold
         * the port for a minute. For UDP it would let two share a port. */
        (type == SOCK_STREAM &&
         setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0) ||
        bind(fd, (struct sockaddr *)&sa, len) < 0)
        goto fail;
    len = sizeof(sa);
    if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
        goto fail;
    if (sockaddr_to_endpoint((struct sockaddr *)&sa, local) == OK)
        return fd;
    errno = EAFNOSUPPORT;
fail:
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* What is wrong and what would be right; `another` address, if it is that. */
static const char *advice(int errnum, int type, enum family family,
                          bool *another)
{
    *another = true;
    switch (errnum) {
    case EADDRINUSE:
        return type == SOCK_DGRAM
                   ? "address already in use; another warren or program holds "
                     "it (see `ss -ulpn`)"
                   : "address already in use; another warren or program holds "
                     "it (see `ss -tlpn`)";
    case EADDRNOTAVAIL:
        return "this machine has no such address (see `ip address`)";
    case EAFNOSUPPORT:
        return family == FAMILY_IPV6 ? "this machine has no IPv6"
                                     : "this machine has no IPv4";
    case EACCES:
        return "permission denied; ports below 1024 are for root";
    }
    *another = false;
    switch (errnum) {
    case EMFILE:
        return "too many open files in this process; raise the limit "
               "(`ulimit -n`, LimitNOFILE= of a unit)";
    case ENFILE:
        return "too many open files on this machine; raise fs.file-max, or "
               "see who holds them (`lsof`)";
    default:
        return strerror(errnum);
    }
}

enum error bind_socket(int type, const struct endpoint *at, const char *flag,
                       int *fd, struct endpoint *local, struct text *why)
{
    char name[ENDPOINT_TEXT_SIZE];
    bool another;
    int r = open_socket(type, at, local);

    if (r >= 0) {
        *fd = r;
        return OK;
    }
    r = errno;
    text_addf(why, "cannot listen on %s: %s", endpoint_print(at, name),
              advice(r, type, at->family, &another));
    if (another)
        text_addf(why, ", choose another with %s", flag);
    if (r == EADDRINUSE)
        return ERR_IN_USE;
    /* With IPv6 switched off, sockets can be had but no address. */
    return r == EAFNOSUPPORT ||
                   (r == EADDRNOTAVAIL && at->family == FAMILY_IPV6)
               ? ERR_UNSUPPORTED
               : ERR_IO;
}

enum error bind_try(int type, const struct endpoint *at, const char *flag,
                    struct text *why)
{
    struct endpoint local;
    int fd;
    enum error err = bind_socket(type, at, flag, &fd, &local, why);

    if (err == OK)
        close(fd);
    return err;
}

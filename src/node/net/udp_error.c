/* SPDX-License-Identifier: MIT */
#include "node/net/udp_error.h"

#include "node/os/sockaddr.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>

bool udp_errors_ask(int fd, enum family family, bool on)
{
    int value = on;

    if (family == FAMILY_IPV4)
        return setsockopt(fd, IPPROTO_IP, IP_RECVERR, &value, sizeof(value)) ==
               0;
    return setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &value, sizeof(value)) ==
           0;
}

/* The errors of icmp_err_convert and icmpv6_err_convert in Linux. */
bool udp_error_is_stale(int errnum)
{
    switch (errnum) {
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EOPNOTSUPP:
    case EPROTO:
    case EACCES:
    case EMSGSIZE:
        return true;
    default:
        return false;
    }
}

struct control {
    _Alignas(struct cmsghdr)
        uint8_t space[CMSG_SPACE(sizeof(struct sock_extended_err) +
                                 sizeof(struct sockaddr_in6)) +
                      CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

static bool is_port_unreachable(const struct sock_extended_err *e)
{
    if (e->ee_origin == SO_EE_ORIGIN_ICMP)
        return e->ee_type == ICMP_DEST_UNREACH &&
               e->ee_code == ICMP_PORT_UNREACH;
    return e->ee_origin == SO_EE_ORIGIN_ICMP6 &&
           e->ee_type == ICMP6_DST_UNREACH &&
           e->ee_code == ICMP6_DST_UNREACH_NOPORT;
}

static bool says_gone(struct msghdr *m)
{
    struct sock_extended_err e;
    struct cmsghdr *c;

    for (c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (!(c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) &&
            !(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
            continue;
        memcpy(&e, CMSG_DATA(c), sizeof(e));
        if (is_port_unreachable(&e))
            return true;
    }
    return false;
}

unsigned udp_errors_read(int fd, struct endpoint gone[UDP_ERRORS],
                         unsigned *gone_count)
{
    struct mmsghdr messages[UDP_ERRORS] = {0};
    struct sockaddr_storage to[UDP_ERRORS];
    struct control controls[UDP_ERRORS];
    int r;

    *gone_count = 0;
    for (unsigned i = 0; i < UDP_ERRORS; i++)
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = &to[i],
            .msg_namelen = sizeof(to[i]),
            .msg_control = controls[i].space,
            .msg_controllen = sizeof(controls[i].space),
        };
    do
        r = recvmmsg(fd, messages, UDP_ERRORS, MSG_ERRQUEUE | MSG_DONTWAIT,
                     NULL);
    while (r < 0 && errno == EINTR);
    for (int i = 0; i < r; i++) {
        if (says_gone(&messages[i].msg_hdr) &&
            sockaddr_to_endpoint((const struct sockaddr *)&to[i],
                                 &gone[*gone_count]) == OK)
            ++*gone_count;
    }
    return r > 0 ? (unsigned)r : 0;
}

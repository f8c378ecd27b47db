/* SPDX-License-Identifier: MIT
 *
 * Between the system's socket addresses and struct endpoint, whose bytes are in
 * network order and whose port is not.
 */
#include "node/os/sockaddr.h"

#include <netinet/in.h>
#include <string.h>

socklen_t sockaddr_from_endpoint(const struct endpoint *ep,
                                 struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    if (ep->family == FAMILY_IPV4) {
        struct sockaddr_in *in = (struct sockaddr_in *)out;

        in->sin_family = AF_INET;
        in->sin_port = htons(ep->port);
        memcpy(&in->sin_addr, ep->addr, 4);
        return sizeof(*in);
    } else {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(ep->port);
        memcpy(&in6->sin6_addr, ep->addr, 16);
        return sizeof(*in6);
    }
}

enum error sockaddr_to_endpoint(const struct sockaddr *sa, struct endpoint *out)
{
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, sa, sizeof(in));
        *out = (struct endpoint){.family = FAMILY_IPV4};
        out->port = ntohs(in.sin_port);
        memcpy(out->addr, &in.sin_addr, 4);
        return OK;
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, sa, sizeof(in6));
        *out = (struct endpoint){.family = FAMILY_IPV6};
        out->port = ntohs(in6.sin6_port);
        memcpy(out->addr, &in6.sin6_addr, 16);
        return OK;
    }
    return ERR_ADDRESS;
}

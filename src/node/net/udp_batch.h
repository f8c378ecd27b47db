/* SPDX-License-Identifier: MIT
 *
 * What one system call receives: messages, each a datagram or a train of
 * datagrams from one source (UDP_GRO).
 */
#ifndef WARREN_NODE_NET_UDP_BATCH_H
#define WARREN_NODE_NET_UDP_BATCH_H

#include "node/net/udp.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct udp_batch {
    uint8_t *buffers; /* one for each message */
    unsigned count;   /* messages received */
    bool had_trains;  /* since udp_batch_rest */
    struct mmsghdr messages[UDP_BATCH];
    struct iovec parts[UDP_BATCH];
    struct sockaddr_storage from[UDP_BATCH];
    struct {
        _Alignas(struct cmsghdr)
            uint8_t space[CMSG_SPACE(sizeof(int)) +
                          CMSG_SPACE(sizeof(struct in6_pktinfo))];
    } controls[UDP_BATCH];
};

struct udp_message {
    struct endpoint from;
    uint8_t *p;
    size_t len;
    size_t segment; /* length of each datagram but the last */
    bool has_at;    /* the socket tells at which of our addresses */
    uint8_t at[16]; /* it came */
};

enum error udp_batch_init(struct udp_batch *b); /* ERR_NO_MEMORY */
void udp_batch_deinit(struct udp_batch *b);

/* Receives at most `ask` messages, at most UDP_BATCH, without waiting. False
 * when there were none, or errno tells why. */
bool udp_batch_receive(struct udp_batch *b, int fd, unsigned ask);

/* Message `i` of b->count. False when it is to be dropped because of `why`. */
bool udp_batch_message(struct udp_batch *b, unsigned i, struct udp_message *out,
                       enum udp_drop *why);

/* Whether `p` lies in what was received. */
bool udp_batch_has(const struct udp_batch *b, const uint8_t *p);

/* After its `datagrams` were handled: gives back the memory that long trains
 * have touched. Returns how many messages to ask for next: while trains are
 * long only a few, so that a wakeup stays short and the memory small. */
unsigned udp_batch_end(struct udp_batch *b, unsigned datagrams);

/* Gives back all memory that trains have touched, if none came since the last
 * call. True when it is given back. */
bool udp_batch_rest(struct udp_batch *b);

#endif

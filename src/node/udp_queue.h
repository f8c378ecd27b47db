/* SPDX-License-Identifier: MIT
 *
 * Datagrams that wait to be sent on one socket, sent many to a system call.
 * They are always queued from the first place on, so that little traffic
 * touches little memory.
 */
#ifndef WARREN_NODE_UDP_QUEUE_H
#define WARREN_NODE_UDP_QUEUE_H

#include "node/udp.h"

#include <netinet/in.h>

struct udp_slot {
    union {
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } to;
    uint16_t len;
    uint8_t bytes[UDP_DATAGRAM_MAX];
};

struct udp_queue {
    struct udp_slot *slots; /* UDP_QUEUE of them */
    unsigned count;
};

enum error udp_queue_init(struct udp_queue *q); /* ERR_NO_MEMORY */
void udp_queue_deinit(struct udp_queue *q);

/* There must be room, and at most UDP_DATAGRAM_MAX bytes. */
void udp_queue_add(struct udp_queue *q, const struct endpoint *to,
                   struct bytes datagram);

/* Sends all through `fd` and empties the queue. What the kernel refuses is
 * counted by reason; a full buffer drops the rest. */
void udp_queue_flush(struct udp_queue *q, int fd,
                     struct udp_counters *counters);

#endif

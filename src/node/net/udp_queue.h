/* SPDX-License-Identifier: MIT
 *
 * Datagrams that wait to be sent on one socket, sent many to a system call.
 * Those to one destination leave as trains, which the kernel carries as one
 * packet for as long as it can (UDP_SEGMENT): its path per packet is what
 * sending costs. The order to one destination is kept.
 *
 * They are always queued from the first place on, so that little traffic
 * touches little memory.
 */
#ifndef WARREN_NODE_NET_UDP_QUEUE_H
#define WARREN_NODE_NET_UDP_QUEUE_H

#include "node/net/udp.h"

#include <netinet/in.h>

struct udp_slot {
    union {
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        uint8_t bytes[sizeof(struct sockaddr_in6)]; /* zero where unused */
    } to;
    const uint8_t *p; /* in the queue's `bytes`, or the caller's */
    uint16_t len;
    uint16_t next; /* in its train */
};

struct udp_queue {
    struct udp_slot *slots;             /* UDP_QUEUE of them, */
    uint8_t (*bytes)[UDP_DATAGRAM_MAX]; /* and what was copied */
    unsigned count;
    bool trains; /* the kernel takes them */
};

/* Whether the socket knows UDP_SEGMENT; older kernels do not. */
bool udp_queue_can_train(int fd);

/* `trains`: the sockets that it will be flushed to know them.
 * ERR_NO_MEMORY. */
enum error udp_queue_init(struct udp_queue *q, bool trains);
void udp_queue_deinit(struct udp_queue *q);

/* There must be room, and at most UDP_DATAGRAM_MAX bytes. What is borrowed
 * is not copied and must not change until the queue is flushed. */
void udp_queue_add(struct udp_queue *q, const struct endpoint *to,
                   struct bytes datagram, bool borrowed);

/* Sends all through `fd` and empties the queue. What the kernel refuses is
 * counted by reason; a full buffer drops the rest. A train that is refused
 * as such is sent one by one; after EIO, which is the device's, there are no
 * more trains. */
void udp_queue_flush(struct udp_queue *q, int fd,
                     struct udp_counters *counters);

#endif

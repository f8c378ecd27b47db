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
    uint16_t next;    /* in its train */
    bool alone;       /* joins no train */
    bool has_from;    /* leaves from this address of ours, */
    uint8_t from[16]; /* else the kernel chooses */
};

/* Somebody to whom the kernel does not send. */
struct udp_refusal {
    struct endpoint to;
    int errnum;
};

#define UDP_REFUSALS 32 /* of one flush that are told apart */

/* What became of the last flush. */
struct udp_outcome {
    unsigned sent, refused;
    unsigned refused_last; /* of these, behind the last that was sent */
    int errnum;            /* of the last that was not sent; 0: all were */
    bool trains_failed;    /* trains are done without from now on */
    bool stale;            /* the network has said something (udp_error.h) */
    bool from_failed;      /* one of our addresses is gone */
};

struct udp_queue {
    struct udp_slot *slots;             /* UDP_QUEUE of them, */
    uint8_t (*bytes)[UDP_DATAGRAM_MAX]; /* and what was copied */
    unsigned count;
    bool trains;             /* the kernel takes them */
    unsigned trains_refused; /* since it took one */
    struct udp_outcome outcome;
    struct udp_refusal refusals[UDP_REFUSALS]; /* of the last flush */
    unsigned refusal_count;
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

/* The datagram that was added last leaves from this address of ours, if it
 * still is one; or joins no train. */
void udp_queue_set_from(struct udp_queue *q, const uint8_t addr[16]);
void udp_queue_set_alone(struct udp_queue *q);

/* Sends all through `fd` and empties the queue. What the kernel refuses is
 * counted by reason; a full buffer drops the rest, a full queue of the kernel's
 * what goes the same way. A train that is refused as such is sent one by one.
 * After EIO, which is the device's, there are no more trains, nor when one
 * after the other is refused. */
void udp_queue_flush(struct udp_queue *q, int fd,
                     struct udp_counters *counters);

#endif

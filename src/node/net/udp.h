/* SPDX-License-Identifier: MIT
 *
 * The node's UDP sockets on the event loop: one socket for each listen
 * endpoint, read and written in batches. What the receive function sends
 * while a batch is handled leaves in one system call at its end, from where
 * it was received when it lies there. Where the kernel can, trains of
 * datagrams from one source come as one (UDP_GRO), and those to one
 * destination leave as one (UDP_SEGMENT); nobody above sees a difference.
 *
 * A socket that is bound to all addresses of the machine answers from the one
 * that was asked (udp_local.h). What the kernel refuses is counted by reason,
 * noted by family for whoever watches the node's health, and said once; what
 * it does not know (trains) is done without.
 *
 * What the network says of datagrams that were sent (udp_error.h) is read when
 * the kernel has something, and told. Who floods us with it has us listen no
 * more for a while: it helps, but everything goes without.
 *
 * Memory: one set of receive buffers for all sockets and one send queue for
 * each, allocated whole and touched as far as the traffic needs; what trains
 * have touched is given back.
 */
#ifndef WARREN_NODE_NET_UDP_H
#define WARREN_NODE_NET_UDP_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/text.h"
#include "node/log/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;

#define UDP_SOCKETS_MAX  16
#define UDP_DATAGRAM_MAX 1500 /* longer ones are dropped, both ways */
#define UDP_BATCH        32   /* datagrams a system call */
/* Datagrams, and what the last call brings beyond, before others get their
 * turn; those that wait on one socket: two trains of the longest. */
#define UDP_WAKE_MAX 256
/* Errors of the network a second, in all; beyond, none are read for as long.
 */
#define UDP_ERROR_RATE 256
#define UDP_QUEUE      128

enum udp_drop {
    UDP_RECEIVED_TOO_LONG,
    UDP_RECEIVE_ERROR,
    UDP_SEND_TOO_LONG,
    UDP_SEND_NO_SOCKET,   /* no socket of that family */
    UDP_SEND_WOULD_BLOCK, /* the socket's send buffer is full */
    UDP_SEND_NO_BUFFERS,  /* the kernel's queues are full */
    UDP_SEND_UNREACHABLE, /* no route to there */
    UDP_SEND_REFUSED,     /* a firewall of this machine forbids it */
    UDP_SEND_DEVICE,      /* the network card, or its driver, fails */
    UDP_SEND_OTHER,
    UDP_DROPS
};

/* A name for metrics: "send_no_socket". */
const char *udp_drop_name(enum udp_drop reason);
/* Of an error of the kernel's when it sends. */
enum udp_drop udp_drop_of(int errnum);

struct udp_counters {
    uint64_t received, received_bytes; /* handed to `receive` */
    uint64_t sent, sent_bytes;         /* taken by the kernel */
    uint64_t receive_calls, send_calls;
    uint64_t trains_received, trains_sent; /* of two datagrams or more */
    uint64_t trains_refused;               /* and sent one by one then */
    uint64_t borrowed;                     /* sent without a copy */
    uint64_t network_errors; /* that the network told, of any kind; */
    uint64_t gone;           /* of these: nobody is there */
    uint64_t errors_paused;  /* times that they were too many */
    uint64_t dropped[UDP_DROPS];
};

/* Of one address family. A full buffer refuses nothing: that is our haste.
 * Times are those of clock_now; 0: never. */
struct udp_traffic {
    uint64_t received;
    uint64_t sent, refused; /* taken by the kernel, and not */
    uint64_t refused_now;   /* of these, since the last that was sent */
    int refusal;            /* errno of the last refused one; 0: none */
    uint64_t received_at, sent_at, refused_at; /* the last of each */
    uint64_t said_at; /* the log was told why, once for each reason */
};

struct udp_config {
    uint32_t receive_buffer; /* bytes to ask for; 0 leaves it alone */
    uint32_t send_buffer;
};

struct udp_handlers {
    void *arg;
    /* `datagram` is the receiver's to overwrite until it returns, but for
     * what it sent of it. `socket` is the index to answer through. */
    void (*receive)(void *arg, const struct endpoint *from, uint8_t *datagram,
                    size_t len, unsigned socket);
    /* After a batch, before what it sent is flushed; may be NULL. */
    void (*batch_end)(void *arg);
    /* Before a batch, with the time of all that is in it; may be NULL. */
    void (*batch_begin)(void *arg, uint64_t now);
    /* The kernel did not take what was sent to `to`, though its queues were
     * not full and it was not too long: ERR_UNREACHABLE, ERR_FORBIDDEN, ERR_IO.
     * Out of the loop, soon after. Of a great many at once some are left out.
     * May be NULL. */
    void (*refused)(void *arg, const struct endpoint *to, enum error why);
    /* Nobody receives at `to`, as the host there says, or whoever pretends to
     * be it: a hint, no proof. Likewise out of the loop, and some left out. May
     * be NULL: then the kernel is not asked. */
    void (*gone)(void *arg, const struct endpoint *to);
};

struct udp;

/* Sockets are bound but nothing is received until the loop runs. `log` may
 * be NULL and must outlive the result. NULL when memory is out. */
struct udp *udp_new(struct event_base *base, const struct udp_config *config,
                    const struct udp_handlers *handlers, struct log *log);
/* Sends what is queued, closes the sockets. Not from within `receive`. */
void udp_free(struct udp *udp);

/* Binds one more socket; port 0 lets the kernel choose. On failure `why` gets
 * a sentence. ERR_IN_USE, ERR_UNSUPPORTED (this machine has no such family),
 * ERR_FULL, ERR_NO_MEMORY, ERR_IO. */
enum error udp_listen(struct udp *udp, const struct endpoint *at,
                      struct text *why);

/* All of them, or none after an error. On a machine without IPv6, [::] is
 * left out with a warning as long as another one can be bound. */
enum error udp_listen_all(struct udp *udp, const struct endpoint *at,
                          size_t count, struct text *why);

unsigned udp_socket_count(const struct udp *udp);
/* Where socket `i` is bound, with the port that the kernel chose. */
struct endpoint udp_local(const struct udp *udp, unsigned i);
/* Bytes that the kernel granted to socket `i`. */
uint32_t udp_receive_buffer(const struct udp *udp, unsigned i);
/* Whether socket `i` sends and receives trains. */
bool udp_sends_trains(const struct udp *udp, unsigned i);
bool udp_receives_trains(const struct udp *udp, unsigned i);
/* Datagrams that the kernel threw away because the buffers were full; a train
 * counts as one. */
uint64_t udp_kernel_drops(const struct udp *udp);

/* Queues a datagram through the first socket of the receiver's family, or an
 * answer from within `receive` through the socket that was asked; it leaves
 * at the end of the batch, or when the loop comes around. A copy is queued,
 * unless it lies within the datagram that `receive` got: then it is sent from
 * there, and must not change any more. What cannot be sent
 * is counted and gone: this is UDP. ERR_TOO_LARGE, ERR_UNSUPPORTED (no socket
 * of that family) tell the caller that it never will be. */
enum error udp_send(struct udp *udp, const struct endpoint *to,
                    struct bytes datagram);

/* As udp_send; no other joins it in a train. */
enum error udp_send_alone(struct udp *udp, const struct endpoint *to,
                          struct bytes datagram);

/* Sends now what is queued. */
void udp_flush(struct udp *udp);

/* Addresses of this machine have come or gone: where peers have asked is
 * forgotten until they ask again. */
void udp_addresses_changed(struct udp *udp);

const struct udp_counters *udp_counters(const struct udp *udp);
const struct udp_traffic *udp_traffic(const struct udp *udp,
                                      enum family family);

#endif

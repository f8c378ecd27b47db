/* SPDX-License-Identifier: MIT
 *
 * Datagrams that wait while a channel has no leg, in order: CHANNEL_QUEUE of
 * them, CHANNEL_QUEUE_BYTES together.
 */
#ifndef WARREN_TUNNEL_CHANNEL_GAP_QUEUE_H
#define WARREN_TUNNEL_CHANNEL_GAP_QUEUE_H

#include "base/bytes.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct gap_datagram {
    struct gap_datagram *next;
    uint16_t port;
    size_t len;
    uint8_t payload[];
};

/* All zeros is empty. */
struct gap_queue {
    struct gap_datagram *first, *last;
    unsigned count;
    size_t bytes; /* of payload */
};

/* ERR_FULL, ERR_NO_MEMORY. */
enum error gap_queue_add(struct gap_queue *q, uint16_t port,
                         struct bytes payload);
/* The oldest, which the caller frees; NULL when it is empty. */
struct gap_datagram *gap_queue_take(struct gap_queue *q);
void gap_queue_deinit(struct gap_queue *q);

#endif

/* SPDX-License-Identifier: MIT */
#include "tunnel/channel/gap_queue.h"

#include "tunnel/channel/channel.h"

#include <stdlib.h>
#include <string.h>

enum error gap_queue_add(struct gap_queue *q, uint16_t port,
                         struct bytes payload)
{
    struct gap_datagram *d;

    if (q->count == CHANNEL_QUEUE ||
        payload.len > CHANNEL_QUEUE_BYTES - q->bytes)
        return ERR_FULL;
    d = malloc(sizeof(*d) + payload.len);
    if (d == NULL)
        return ERR_NO_MEMORY;
    d->next = NULL;
    d->port = port;
    d->len = payload.len;
    if (payload.len > 0)
        memcpy(d->payload, payload.p, payload.len);
    *(q->last != NULL ? &q->last->next : &q->first) = d;
    q->last = d;
    q->count++;
    q->bytes += payload.len;
    return OK;
}

struct gap_datagram *gap_queue_take(struct gap_queue *q)
{
    struct gap_datagram *d = q->first;

    if (d == NULL)
        return NULL;
    q->first = d->next;
    if (q->first == NULL)
        q->last = NULL;
    q->count--;
    q->bytes -= d->len;
    return d;
}

void gap_queue_deinit(struct gap_queue *q)
{
    struct gap_datagram *d;

    while ((d = gap_queue_take(q)) != NULL)
        free(d);
}

/* SPDX-License-Identifier: MIT
 *
 * What leaves: one cell at a time is written and sealed on the stack. A
 * datagram that fits no cell is cut into pieces, in a gap it waits.
 */
#include "tunnel/channel/channel_internal.h"

#include "tunnel/link/cell.h"

#include <assert.h>
#include <stdlib.h>

_Static_assert(END_DATA_MAX <= PIECE_MESSAGE_MAX, "all can be cut");
_Static_assert(CHANNEL_PAYLOAD_MAX == END_PAYLOAD_MAX, "one limit");

void channel_say(struct channel *ch, struct leg *l, const struct end_message *m,
                 bool wants, uint64_t now)
{
    uint8_t datagram[CELL_MAX];
    size_t len;

    if (l == NULL || l->circuit == NULL)
        return;
    len = leg_seal(l, m, datagram);
    leg_sent(l, wants, channel_overdue(ch), now);
    ch->env.send(ch->holder, l->circuit, datagram, len, now);
}

void channel_say_close(struct channel *ch, struct leg *l, enum reason why,
                       uint64_t now)
{
    channel_say(ch, l, &(struct end_message){.type = END_CLOSE, .reason = why},
                false, now);
}

void channel_ask(struct channel *ch, struct leg *l, uint64_t now)
{
    struct end_message m;

    leg_ask(l, &ch->env.random, channel_overdue(ch), &m, now);
    channel_say(ch, l, &m, true, now);
}

/* ---- Datagrams ---------------------------------------------------------- */

static void send_pieces(struct channel *ch, const struct end_message *data,
                        uint64_t now)
{
    uint8_t text[END_DATA_MAX];
    size_t len = 0;
    unsigned count;
    enum error e = end_message_write(data, text, sizeof(text), &len);

    assert(e == OK);
    count = piece_count(len);
    for (unsigned i = 0; i < count; i++) {
        struct end_message m = {
            .type = END_PIECE,
            .piece = piece_cut(bytes_of(text, len), ch->piece_id, i)};

        channel_say(ch, ch->use, &m, true, now);
    }
    ch->piece_id++;
}

static void send_datagram(struct channel *ch, uint16_t port,
                          struct bytes payload, uint64_t now)
{
    struct end_message m = {.type = END_DATA, .port = port, .payload = payload};

    ch->stats.sent++;
    ch->stats.bytes_sent += payload.len;
    if (payload.len <= END_PAYLOAD_CELL)
        channel_say(ch, ch->use, &m, true, now);
    else
        send_pieces(ch, &m, now);
}

enum error channel_send(struct channel *ch, uint16_t port, struct bytes payload,
                        uint64_t now)
{
    enum error e;

    if (payload.len > CHANNEL_PAYLOAD_MAX)
        return ERR_TOO_LARGE;
    if (ch->closing || !channel_goes_on(ch))
        return ERR_NOT_FOUND;
    if (ch->use != NULL) {
        send_datagram(ch, port, payload, now);
        return OK;
    }
    e = gap_queue_add(&ch->queue, port, payload);
    if (e != OK)
        ch->stats.dropped_queue++;
    return e;
}

void channel_packet(struct channel *ch, bool to_acceptor, struct bytes packet,
                    uint64_t now)
{
    struct end_message m = {.type = to_acceptor ? END_PACKET_IN
                                                : END_PACKET_BACK,
                            .payload = packet};

    assert(packet.len > 0 && packet.len <= END_PACKET_MAX);
    if (ch->use != NULL && !ch->closing && channel_goes_on(ch))
        channel_say(ch, ch->use, &m, true, now);
}

void channel_flush(struct channel *ch, uint64_t now)
{
    struct gap_datagram *d;

    while ((d = gap_queue_take(&ch->queue)) != NULL) {
        send_datagram(ch, d->port, bytes_of(d->payload, d->len), now);
        free(d);
    }
}

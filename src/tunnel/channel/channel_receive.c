/* SPDX-License-Identifier: MIT
 *
 * What comes in a cell of the other end. A handler has the channel in hand and
 * nothing else: all that it can send, it sends on the legs of this channel.
 */
#include "tunnel/channel/channel_internal.h"

static void deliver(struct channel *ch, const struct end_message *m,
                    uint64_t now)
{
    ch->stats.received++;
    ch->stats.bytes_received += m->payload.len;
    ch->env.data(ch->holder, ch, m->port, m->payload, now);
}

static bool receive_piece(struct channel *ch, const struct end_message *m,
                          uint64_t now)
{
    struct end_message data;
    struct bytes whole;

    if (pieces_receive(&ch->pieces, ch->budget, &m->piece, now, &whole) != OK)
        return false;
    if (whole.len == 0)
        return true;
    if (end_message_read(whole, &data) != OK || data.type != END_DATA)
        return false;
    deliver(ch, &data, now);
    return true;
}

static void receive_pong(struct channel *ch, struct leg *l, uint64_t nonce,
                         uint64_t now)
{
    uint64_t rtt = leg_pong(l, nonce, now);

    if (rtt != 0)
        patience_learn(&ch->answers, rtt);
}

static void answer(struct channel *ch, struct leg *l, uint64_t nonce,
                   uint64_t now)
{
    channel_say(ch, l, &(struct end_message){.type = END_PONG, .nonce = nonce},
                false, now);
}

/* False when it is not what the other end may say now. */
static bool dispatch(struct channel *ch, struct leg *l,
                     const struct end_message *m, uint64_t now)
{
    switch (m->type) {
    case END_HELLO:
        if (ch->opener)
            return false;
        answer(ch, l, m->nonce, now);
        return true;
    case END_DATA:
        deliver(ch, m, now);
        return true;
    case END_PIECE:
        return receive_piece(ch, m, now);
    case END_PACKET_IN:
    case END_PACKET_BACK:
        ch->env.packet(ch->holder, ch, m->type == END_PACKET_IN, m->payload,
                       now);
        return true;
    case END_PING:
        answer(ch, l, m->nonce, now);
        return true;
    case END_PONG:
        receive_pong(ch, l, m->nonce, now);
        return true;
    case END_MOVE:
        return !ch->opener && channel_move_came(ch, m, now);
    case END_MOVED:
        return ch->opener && channel_moved_came(ch, m, now);
    case END_CLOSE:
        channel_say_close(ch, l, m->reason, now);
        channel_finish(ch, m->reason, now);
        return true;
    }
    return false;
}

/* CLOSE was said before: it is said again, until the other end does. */
static void receive_closing(struct channel *ch, struct leg *l,
                            struct bytes text, uint64_t now)
{
    struct end_message m;

    if (end_message_read(text, &m) == OK && m.type == END_CLOSE)
        channel_finish(ch, ch->why, now);
    else
        channel_say_close(ch, l, ch->why, now);
}

static void receive_text(struct channel *ch, struct leg *l, struct bytes text,
                         uint64_t now)
{
    struct end_message m;

    channel_leg_heard(ch, l, now);
    if (!ch->live) {
        ch->live = true;
        ch->env.live(ch->holder, ch, now);
    }
    if (ch->closing || !channel_goes_on(ch))
        return;
    if (end_message_read(text, &m) != OK || !dispatch(ch, l, &m, now))
        ch->stats.dropped_message++;
}

void channel_receive(struct channel *ch, struct circuit *c, uint8_t *body,
                     size_t body_len, uint64_t now)
{
    struct leg *l = c == NULL ? NULL : channel_leg_of(ch, c);
    struct bytes text;

    if (ch->over)
        return;
    if (l == NULL || leg_open(l, body, body_len, &text) != OK) {
        ch->stats.dropped_layer++;
        return;
    }
    channel_enter(ch);
    if (ch->closing)
        receive_closing(ch, l, text, now);
    else
        receive_text(ch, l, text, now);
    channel_leave(ch);
}

/* SPDX-License-Identifier: MIT
 *
 * leg_next_deadline is the one place that knows when something is due; leg_due
 * says what that is.
 */
#include "tunnel/channel/channel_leg.h"

#include "tunnel/link/cell.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

void channel_keys_of(const struct noise_keys *keys, bool opener,
                     struct channel_keys *out)
{
    static const uint8_t label[] = "warren resume";

    memcpy(opener ? out->out : out->in, keys->to_responder, NOISE_KEY_BYTES);
    memcpy(opener ? out->in : out->out, keys->to_initiator, NOISE_KEY_BYTES);
    crypto_generichash(out->resume, CHANNEL_RESUME_BYTES, label,
                       sizeof(label) - 1, keys->to_responder, NOISE_KEY_BYTES);
}

void leg_init(struct leg *l, struct circuit *c, const struct channel_keys *keys,
              uint64_t renew_at, uint64_t now)
{
    *l = (struct leg){.circuit = c,
                      .attached_at = now,
                      .renew_at = renew_at,
                      .left_at = TIME_NEVER,
                      .sent_at = now,
                      .keepalive = LEG_KEEPALIVE};
    onion_sender_init(&l->out, keys->out);
    onion_receiver_init(&l->in, keys->in);
    memcpy(l->resume, keys->resume, CHANNEL_RESUME_BYTES);
}

void leg_deinit(struct leg *l)
{
    sodium_memzero(l, sizeof(*l));
}

size_t leg_seal(struct leg *l, const struct end_message *m, uint8_t *datagram)
{
    uint8_t *body = datagram + CELL_BODY_OFFSET;
    size_t body_len = CELL_LARGE_BODY, len = 0;
    enum error e =
        end_message_write(m, body, onion_end_text_len(CELL_LARGE_BODY), &len);

    assert(e == OK);
    if (len <= onion_end_text_len(CELL_SMALL_BODY))
        body_len = CELL_SMALL_BODY;
    memset(body + len, 0, onion_end_text_len(body_len) - len);
    onion_end_add(&l->out, body, body_len);
    return CELL_BODY_OFFSET + body_len;
}

enum error leg_open(struct leg *l, uint8_t *body, size_t body_len,
                    struct bytes *text)
{
    enum error e;

    if (body_len != CELL_SMALL_BODY && body_len != CELL_LARGE_BODY)
        return ERR_WRONG_LENGTH;
    e = onion_end_remove(&l->in, body, body_len);
    if (e == OK)
        *text = bytes_of(body, onion_end_text_len(body_len));
    return e;
}

/* ---- Questions ---------------------------------------------------------- */

bool leg_is_doubtful(const struct leg *l)
{
    return l->asked >= (l->heard ? LEG_DOUBT : LEG_DOUBT_NEW);
}

static uint64_t quiet_time(uint64_t overdue)
{
    if (2 * overdue < LEG_QUIET_MIN)
        return LEG_QUIET_MIN;
    return time_min(2 * overdue, LEG_QUIET);
}

void leg_sent(struct leg *l, bool wants, uint64_t overdue, uint64_t now)
{
    l->sent_at = now;
    if (!wants || l->waiting)
        return;
    l->waiting = true;
    l->ask_at = time_after(now, quiet_time(overdue));
}

void leg_came(struct leg *l)
{
    l->heard = true;
    l->waiting = false;
    l->asked = 0;
}

void leg_ask(struct leg *l, const struct random_source *random,
             uint64_t overdue, struct end_message *m, uint64_t now)
{
    struct leg_question *q = &l->question[l->questions++ % LEG_NONCES];

    if (l->asked++ == 0)
        asking_begin(&l->asking, overdue, now);
    else
        asking_again(&l->asking, now);
    random->fill(random->ctx, &q->nonce, sizeof(q->nonce));
    q->at = now;
    l->keepalive =
        LEG_KEEPALIVE +
        TIME_MS * random_below(random, (uint32_t)(LEG_KEEP_MORE / TIME_MS));
    l->waiting = true;
    l->ask_at = l->asking.again_at;
    *m = (struct end_message){.type = l->heard ? END_PING : END_HELLO,
                              .nonce = q->nonce};
}

uint64_t leg_pong(struct leg *l, uint64_t nonce, uint64_t now)
{
    for (unsigned i = 0; i < LEG_NONCES; i++) {
        struct leg_question *q = &l->question[i];
        uint64_t at = q->at;

        if (at == 0 || nonce != q->nonce)
            continue;
        q->at = 0;
        return time_since(at, now);
    }
    return 0;
}

/* ---- Time --------------------------------------------------------------- */

uint64_t leg_next_deadline(const struct leg *l, bool opener)
{
    if (l->left_at != TIME_NEVER)
        return time_after(l->left_at, LEG_LINGER);
    if (!l->heard && !opener)
        return time_after(l->attached_at, LEG_UNHEARD);
    return l->waiting ? l->ask_at : time_after(l->sent_at, l->keepalive);
}

enum leg_due leg_due(const struct leg *l, bool opener, uint64_t now)
{
    if (now < leg_next_deadline(l, opener))
        return LEG_IN_TIME;
    if (l->left_at != TIME_NEVER)
        return LEG_OVER;
    if (!l->heard && !opener)
        return LEG_DEAD;
    return l->asked < LEG_ASKS || time_since(l->asking.since, now) < LEG_SILENT
               ? LEG_ASK
               : LEG_DEAD;
}

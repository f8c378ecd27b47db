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

void leg_sent(struct leg *l, bool wants, uint64_t now)
{
    l->sent_at = now;
    if (!wants || l->waiting)
        return;
    l->waiting = true;
    l->ask_at = time_after(now, LEG_ASK_SILENT);
}

void leg_came(struct leg *l)
{
    l->heard = true;
    l->waiting = false;
    l->asked = 0;
}

uint64_t leg_pause(uint64_t rtt)
{
    if (2 * rtt < LEG_ASK_MIN)
        return LEG_ASK_MIN;
    return time_min(2 * rtt, LEG_ASK_MAX);
}

void leg_ask(struct leg *l, const struct random_source *random, uint64_t rtt,
             struct end_message *m, uint64_t now)
{
    l->asked++;
    random->fill(random->ctx, &l->nonce, sizeof(l->nonce));
    l->nonce_at = now;
    l->keepalive =
        LEG_KEEPALIVE +
        TIME_MS * random_below(random, (uint32_t)(LEG_KEEP_MORE / TIME_MS));
    l->waiting = true;
    l->ask_at = time_after(now, leg_pause(rtt));
    *m = (struct end_message){.type = l->heard ? END_PING : END_HELLO,
                              .nonce = l->nonce};
}

uint64_t leg_pong(struct leg *l, uint64_t nonce, uint64_t now)
{
    uint64_t rtt;

    if (l->nonce_at == 0 || nonce != l->nonce)
        return 0;
    rtt = time_since(l->nonce_at, now);
    l->nonce_at = 0;
    return rtt;
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
    return l->asked < LEG_ASKS ? LEG_ASK : LEG_DEAD;
}

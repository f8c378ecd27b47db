/* SPDX-License-Identifier: MIT
 *
 * How a link comes up (INIT, ACCEPT, RETRY and REFUSE, datagrams of their own),
 * and how it gets new keys (REKEY and REKEYED, cells). Both are one handshake:
 * begin on the initiator's side, responder_answer on the other, and finish. The
 * initiator's session waits as `opening` for its keys. What costs least is
 * checked first: mac1, then load and cookie, then the source's rate, and only
 * then a Diffie-Hellman is computed for a stranger.
 */
#include "tunnel/crypto/prologue.h"
#include "tunnel/link/link_table.h"
#include "tunnel/link/link_text.h"

#include "base/timestamp.h"

#include <sodium.h>
#include <stdlib.h>

#define HALF_OPEN_LIFE (5 * TIME_S)

static void send_message(struct links *l, const struct endpoint *to,
                         struct link_message *m)
{
    uint8_t d[LINK_MESSAGE_MAX];
    size_t len = link_message_write(m, d);

    l->env.send(l->env.send_ctx, to, bytes_of(d, len));
}

void link_say_unknown(struct links *l, const struct endpoint *to,
                      uint32_t index, uint64_t now)
{
    struct link_message m = {.kind = LINK_UNKNOWN, .receiver = index};

    if (!limiter_allow(&l->unknown, to, now)) {
        l->stats.unknown_held++;
        return;
    }
    l->stats.unknown_out++;
    send_message(l, to, &m);
}

static void fresh(struct links *l, uint8_t *out, size_t len)
{
    l->env.random.fill(l->env.random.ctx, out, len);
}

void handshake_forget(struct links *l, struct link *link)
{
    if (link->handshake != NULL)
        noise_deinit(link->handshake);
    free(link->handshake);
    link->handshake = NULL;
    session_free(&l->sessions, link->opening);
    link->opening = NULL;
}

/* The first message towards the peer into `noise1`, with an index for the
 * session to come. Replaces a handshake that was under way. */
static enum error begin(struct links *l, struct link *link, uint64_t now,
                        uint8_t noise1[NOISE_OVERHEAD])
{
    uint8_t ephemeral[NOISE_KEY_BYTES];
    enum error e;

    handshake_forget(l, link);
    link->handshake = malloc(sizeof(struct noise));
    if (link->handshake == NULL)
        return ERR_NO_MEMORY;
    prologue_init_noise(link->handshake, "link", l->responder->network,
                        link->peer.identity, link->peer.handshake_key);
    fresh(l, ephemeral, sizeof(ephemeral));
    e = noise_write_first(link->handshake, ephemeral, bytes_of(NULL, 0),
                          noise1);
    sodium_memzero(ephemeral, sizeof(ephemeral));
    if (e == OK)
        e = session_new(&l->sessions, link, now, &link->opening);
    if (e != OK)
        handshake_forget(l, link);
    return e;
}

enum error handshake_start(struct links *l, struct link *link, uint64_t now)
{
    uint8_t noise1[NOISE_OVERHEAD], d[LINK_MESSAGE_MAX];
    struct link_message m = {
        .kind = LINK_INIT, .version = TUNNEL_VERSION, .noise = noise1};
    uint64_t pause;
    size_t len;
    enum error e;

    e = begin(l, link, now, noise1);
    if (e != OK)
        return e;
    m.index = link->opening->local;
    len = link_message_write(&m, d);
    cookie_set_macs(d, &m, link->peer.identity,
                    link->has_cookie ? link->cookie : NULL);
    memcpy(link->mac1, d + m.maced.len, LINK_MAC_BYTES);
    pause = LINK_INIT_TIMEOUT << (link->doubted ? 0 : link->tries);
    link_set_deadline(l, link, time_after(now, pause));
    link->tries++;
    link->sent_at = now;
    l->stats.inits_out++;
    l->env.send(l->env.send_ctx, &link->peer.ep, bytes_of(d, len));
    return OK;
}

static void retry(struct links *l, const struct endpoint *from,
                  const struct link_message *init)
{
    uint8_t nonce[LINK_NONCE_BYTES], sealed[LINK_SEALED_BYTES];
    struct link_message m = {.kind = LINK_RETRY,
                             .receiver = init->index,
                             .nonce = bytes_of(nonce, sizeof(nonce)),
                             .sealed = sealed};

    fresh(l, nonce, sizeof(nonce));
    cookie_seal(&l->jar, from, l->responder->identity, init->mac1, nonce,
                sealed);
    l->stats.retries_out++;
    send_message(l, from, &m);
}

/* May this INIT cost us a Diffie-Hellman? Few may without proof of their
 * address; with it, each source as often as its rate says. */
static enum error admit(struct links *l, const struct endpoint *from,
                        const struct link_message *m, bool *proven,
                        uint64_t now)
{
    if (!cookie_mac1_is_right(m, l->responder->identity))
        return ERR_SIGNATURE;
    *proven = cookie_mac2_is_right(&l->jar, m, from);
    if (*proven)
        return limiter_allow(&l->limiter, from, now) ? OK : ERR_RATE_LIMITED;
    if (token_bucket_take(&l->free_bucket, &l->free_rate, now))
        return OK;
    retry(l, from, m);
    return ERR_RATE_LIMITED;
}

static void refuse(struct links *l, const struct endpoint *to,
                   const struct link_message *init)
{
    struct link_message m = {.kind = LINK_REFUSE,
                             .receiver = init->index,
                             .version = TUNNEL_VERSION};

    l->stats.refuses_out++;
    send_message(l, to, &m);
}

/* The link of an INIT that was answered, with the session of its keys. */
static enum error open_half(struct links *l, const struct endpoint *from,
                            bool proven, const struct noise_keys *keys,
                            uint32_t remote, uint64_t now, struct link **out)
{
    struct link *link;
    enum error e = link_new(l, LINK_HALF_OPEN, from, from, now, &link);

    if (e != OK)
        return e;
    e = session_new(&l->sessions, link, now, &link->session);
    if (e != OK) {
        link_free(l, link);
        return e;
    }
    link->proven = proven;
    session_set_keys(link->session, keys, false, remote);
    link_set_deadline(l, link, time_after(now, HALF_OPEN_LIFE));
    *out = link;
    return OK;
}

static enum error receive_init(struct links *l, const struct endpoint *from,
                               const struct link_message *m, uint64_t now)
{
    uint8_t noise2[NOISE_OVERHEAD], nothing[1];
    struct link_message reply = {
        .kind = LINK_ACCEPT, .receiver = m->index, .noise = noise2};
    struct noise_keys keys;
    struct link *link;
    bool proven;
    enum error e;

    l->stats.inits_in++;
    if (m->version != TUNNEL_VERSION) {
        refuse(l, from, m);
        return ERR_UNSUPPORTED;
    }
    e = admit(l, from, m, &proven, now);
    if (e == OK)
        e = responder_answer(l->responder, "link",
                             bytes_of(m->noise, NOISE_OVERHEAD), nothing,
                             noise2, &keys);
    if (e != OK)
        return e;
    if (!link_make_room_half(l, from, proven, now))
        e = ERR_FULL;
    if (e == OK)
        e = open_half(l, from, proven, &keys, m->index, now, &link);
    if (e == OK) {
        reply.index = link->session->local;
        l->stats.accepts_out++;
        send_message(l, from, &reply);
    }
    sodium_memzero(&keys, sizeof(keys));
    return e;
}

/* The link that waits for an answer with this index from there, or NULL. */
static struct link *opening_link(struct links *l, uint32_t receiver,
                                 const struct endpoint *from)
{
    struct session *s = session_find(&l->sessions, receiver);

    if (s == NULL || s->link->state != LINK_OPENING || s->link->opening != s ||
        !endpoint_equal(&s->link->peer.ep, from))
        return NULL;
    return s->link;
}

/* Reads the responder's message; on success the session that was opening has
 * its keys. The handshake is kept on failure: the true answer may still
 * come. */
static enum error finish(struct links *l, struct link *link,
                         const uint8_t *noise2, uint32_t remote,
                         struct session **out)
{
    struct noise n = *link->handshake;
    struct noise_keys keys;
    uint8_t nothing[1];
    enum error e;

    e = noise_read_second(&n, bytes_of(noise2, NOISE_OVERHEAD), nothing);
    if (e == OK) {
        noise_split(&n, &keys);
        session_set_keys(link->opening, &keys, true, remote);
        sodium_memzero(&keys, sizeof(keys));
        *out = link->opening;
        link->opening = NULL;
        handshake_forget(l, link);
    }
    noise_deinit(&n);
    return e;
}

static enum error receive_accept(struct links *l, const struct endpoint *from,
                                 const struct link_message *m, uint64_t now)
{
    struct link *link = opening_link(l, m->receiver, from);
    struct session *s;
    uint64_t cells;
    enum error e;

    if (link == NULL)
        return ERR_UNEXPECTED;
    e = finish(l, link, m->noise, m->index, &s);
    if (e != OK)
        return e;
    link->state = LINK_UP;
    link->tries = 0;
    link_is_there(l, &link->peer.ep);
    if (link->doubted)
        link_believe(l, link, now);
    link->heard_at = link->used_at = now;
    link->rtt = time_since(link->sent_at, now);
    link_use_first_session(l, link, s, now);
    l->stats.opened++;
    cells = s->counter;
    l->env.up(l->env.ctx, link, now);
    /* The responder waits for a first cell to know that we are there. */
    if (session_find(&l->sessions, m->receiver) == s && s->counter == cells)
        link_send(l, link, CELL_PING, 0, bytes_of(NULL, 0), now);
    return OK;
}

static enum error receive_retry(struct links *l, const struct endpoint *from,
                                const struct link_message *m, uint64_t now)
{
    struct link *link = opening_link(l, m->receiver, from);

    if (link == NULL || link->tries >= LINK_INIT_TRIES || link->unwanted)
        return ERR_UNEXPECTED;
    if (cookie_open(m, link->peer.identity, link->mac1, link->cookie) != OK)
        return ERR_SIGNATURE;
    link->has_cookie = link->proven = true;
    link->open_until = TIME_NEVER;
    return handshake_start(l, link, now);
}

static enum error receive_refuse(struct links *l, const struct endpoint *from,
                                 const struct link_message *m, uint64_t now)
{
    struct link *link = opening_link(l, m->receiver, from);

    if (link == NULL || m->version == TUNNEL_VERSION)
        return ERR_UNEXPECTED;
    link_fail(l, link, REASON_VERSION, now);
    return OK;
}

enum error links_receive_message(struct links *l, const struct endpoint *from,
                                 const struct link_message *m, uint64_t now)
{
    switch (m->kind) {
    case LINK_INIT:
        return receive_init(l, from, m, now);
    case LINK_ACCEPT:
        return receive_accept(l, from, m, now);
    case LINK_RETRY:
        return receive_retry(l, from, m, now);
    case LINK_UNKNOWN:
        return link_hear_unknown(l, from, m->receiver, now);
    case LINK_REFUSE:
        return receive_refuse(l, from, m, now);
    case LINK_CELL:
    case LINK_ASK:
    case LINK_TELL:
    case LINK_POKE:
    case LINK_PART:
    case LINK_COOKIE:
        break;
    }
    return ERR_UNKNOWN_KIND;
}

/* ---- New keys for a link that is up ------------------------------------- */

/* The same until it is answered: whichever of them arrives, and whichever
 * answer comes back, both sides have the same keys. */
enum error handshake_send_rekey(struct links *l, struct link *link,
                                uint64_t now)
{
    uint8_t text[LINK_TEXT_SMALL];
    enum error e = OK;
    size_t len;

    if (link->handshake == NULL)
        e = begin(l, link, now, link->rekey);
    if (e != OK)
        return e;
    len = link_text_write_rekey(text, link->opening->local, link->rekey);
    link_send(l, link, CELL_REKEY, 0, bytes_of(text, len), now);
    return OK;
}

/* The next session, for the handshake of this REKEY. */
static enum error answer_rekey(struct links *l, struct link *link,
                               const struct link_text *t, uint64_t now)
{
    uint8_t noise2[NOISE_OVERHEAD], nothing[1];
    struct noise_keys keys;
    struct session *s;
    enum error e;

    /* However many come with a cookie: who has a link keeps it. */
    if (!limiter_allow_known(&l->limiter, &link->peer.ep, now))
        return ERR_RATE_LIMITED;
    e = responder_answer(l->responder, "link", t->noise, nothing, noise2,
                         &keys);
    if (e != OK)
        return e;
    session_free(&l->sessions, link->next);
    link->next = NULL;
    e = session_new(&l->sessions, link, now, &s);
    if (e == OK) {
        session_set_keys(s, &keys, false, t->index);
        link->next = s;
        memcpy(link->rekey, noise2, NOISE_OVERHEAD);
    }
    sodium_memzero(&keys, sizeof(keys));
    return e;
}

enum error handshake_receive_rekey(struct links *l, struct link *link,
                                   struct bytes text, uint64_t now)
{
    uint8_t reply[LINK_TEXT_SMALL];
    struct link_text t;
    size_t len;
    enum error e;

    if (link->initiator)
        return ERR_UNEXPECTED;
    e = link_text_read_rekey(text, &t);
    if (e == OK && t.index == link->session->remote)
        e = ERR_UNEXPECTED; /* its keys are in use already */
    if (e == OK && (link->next == NULL || t.index != link->next->remote))
        e = answer_rekey(l, link, &t, now);
    if (e != OK)
        return e;
    len = link_text_write_rekey(reply, link->next->local, link->rekey);
    link_send(l, link, CELL_REKEYED, 0, bytes_of(reply, len), now);
    return OK;
}

enum error handshake_receive_rekeyed(struct links *l, struct link *link,
                                     struct bytes text, uint64_t now)
{
    struct link_text t;
    struct session *s;
    enum error e;

    if (link->handshake == NULL || link->state != LINK_UP)
        return ERR_UNEXPECTED;
    e = link_text_read_rekey(text, &t);
    if (e != OK)
        return e;
    e = finish(l, link, t.noise.p, t.index, &s);
    if (e != OK)
        return e;
    link_use_next_session(l, link, s, now);
    l->stats.rekeys++;
    link_tell_keys(l, link, now);
    return OK;
}

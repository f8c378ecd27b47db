/* SPDX-License-Identifier: MIT
 *
 * What a neighbour says in a cell that is no RELAY: the first byte chooses the
 * type, the rest is the text. Views lie inside of it, what is read can be
 * written and reads as the same; a sample teaches nothing that is not signed,
 * and nothing is sent to an address that may not be, nor twice.
 */
#include "fuzz.h"

#include "tunnel/circuit/circuit_message.h"
#include "tunnel/directory/directory.h"
#include "tunnel/link/link_text.h"
#include "tunnel/link/puncture.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NOW  TIME_HOUR
#define WALL UINT64_C(1800000000)

struct world {
    uint8_t link, other; /* their addresses stand for links */
    struct endpoint target;
    unsigned sent, cells;
    enum cell_type last;
};

static void fill(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    memset(buf, 0x42, len);
}

static void send_datagram(void *ctx, const struct endpoint *to, struct bytes d)
{
    struct world *w = ctx;

    assert(endpoint_is_usable(to) && endpoint_is_global(to) && d.len <= 64);
    w->sent++;
}

static bool send_cell(void *ctx, struct link *link, enum cell_type type,
                      struct bytes text, uint64_t now)
{
    struct world *w = ctx;

    (void)now;
    assert((void *)link == &w->link || (void *)link == &w->other);
    assert(text.len <= CELL_TEXT_MAX);
    w->last = type;
    w->cells++;
    return true;
}

static struct link *find(void *ctx, const struct endpoint *ep)
{
    struct world *w = ctx;

    return endpoint_equal(ep, &w->target) ? (struct link *)(void *)&w->other
                                          : NULL;
}

static unsigned pick(void *ctx, struct link **out, unsigned max)
{
    (void)ctx, (void)out, (void)max;
    return 0;
}

static void remember(void *ctx, const struct stored_relay *relay)
{
    (void)ctx;
    assert(relay->text.len <= DESCRIPTOR_MAX);
}

static void forget(void *ctx, const uint8_t identity[32])
{
    (void)ctx, (void)identity;
}

static void rotate(void *ctx, uint8_t handshake_key[NOISE_KEY_BYTES])
{
    (void)ctx, (void)handshake_key;
}

/* ---- Texts of the link itself ------------------------------------------- */

static void check_pair(struct bytes text, const struct link_text *t)
{
    uint8_t again[LINK_TEXT_SMALL];
    struct link_text back;
    size_t len;

    assert(t->noise.p >= text.p &&
           t->noise.p + t->noise.len <= text.p + text.len);
    len = link_text_write_create(again, t->index, t->noise);
    if (t->noise.len == HOP_NOISE1_BYTES)
        assert(link_text_read_create(bytes_of(again, len), &back) == OK);
    else
        assert(link_text_read_created(bytes_of(again, len), &back) == OK);
    assert(back.index == t->index && bytes_equal(back.noise, t->noise));
}

static void read_own(struct bytes text)
{
    uint8_t again[LINK_TEXT_SMALL];
    struct link_text t;
    enum reason why, back;

    if (link_text_read_rekey(text, &t) == OK)
        check_pair(text, &t);
    if (link_text_read_create(text, &t) == OK)
        check_pair(text, &t);
    if (link_text_read_created(text, &t) == OK)
        check_pair(text, &t);
    if (link_text_read_destroy(text, &why) != OK)
        return;
    assert(why < REASON_END_);
    assert(link_text_read_destroy(
               bytes_of(again, link_text_write_destroy(again, why)), &back) ==
               OK &&
           back == why);
}

/* ---- Samples and punctures ---------------------------------------------- */

static void sample(struct world *w, struct bytes text)
{
    static const uint8_t secret[64];
    struct endpoint ep = {.addr = {8, 8, 8, 8}, .port = 1};
    struct link *link = (struct link *)(void *)&w->link;
    struct directory_env env = {.ctx = w,
                                .random = {w, fill},
                                .send = send_datagram,
                                .send_cell = send_cell,
                                .remember = remember,
                                .forget = forget,
                                .rotate = rotate};
    struct directory_config c;
    struct directory *d;

    directory_config_init(&c);
    memcpy(c.network, "test", 5);
    c.secret = secret;
    assert(directory_new(&c, &env, NOW, &d) == OK);
    assert(directory_receive_sample(d, link, text, WALL, NOW) ==
           ERR_UNEXPECTED);
    directory_link_up(d, link, &ep, true, NOW);
    directory_tick(d, WALL, NOW);
    assert(w->cells == 1 && w->last == CELL_SAMPLE_ASK);
    (void)directory_receive_sample(d, link, text, WALL, NOW);
    assert(directory_receive_sample(d, link, text, WALL, NOW) ==
           ERR_UNEXPECTED);
    assert(directory_count(d) <= DIRECTORY_SAMPLE_MAX);
    assert(w->cells == 1 && w->sent == 0);
    directory_free(d);
}

static void puncture(struct world *w, bool told, struct bytes text)
{
    struct endpoint ep = {.addr = {8, 8, 8, 8}, .port = 1};
    struct puncture_env env = {.ctx = w,
                               .random = {w, fill},
                               .send = send_datagram,
                               .send_cell = send_cell,
                               .find = find,
                               .pick = pick};
    struct puncture_config c;
    struct puncture p;

    puncture_config_init(&c);
    puncture_init(&p, &c, &env);
    if (told)
        (void)puncture_receive_told(&p, &ep, text, NOW);
    else
        (void)puncture_receive_ask(&p, (struct link *)(void *)&w->link, &ep,
                                   text, NOW);
    assert(w->sent <= told && w->cells <= !told);
    assert(w->cells == 0 || w->last == CELL_PUNCTURED);
    puncture_deinit(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.target = {.addr = {9, 9, 9, 9}, .port = 9}};
    /* As in a cell: padded, and no byte more. */
    size_t len = size <= CELL_SMALL_BODY - NOISE_TAG_BYTES
                     ? CELL_SMALL_BODY - NOISE_TAG_BYTES
                     : CELL_TEXT_MAX;
    struct bytes text;
    uint8_t *copy;

    if (size < 1 || size - 1 > len)
        return 0;
    copy = calloc(1, len);
    assert(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    text = bytes_of(copy, len);
    switch (data[0] % 4) {
    case 0:
        read_own(text);
        break;
    case 1:
        sample(&w, text);
        break;
    case 2:
        puncture(&w, false, text);
        break;
    default:
        puncture(&w, true, text);
        break;
    }
    free(copy);
    return 0;
}

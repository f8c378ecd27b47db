/* SPDX-License-Identifier: MIT
 *
 * SAMPLE_ASK and SAMPLE: neighbours exchange random relays that they know. A
 * neighbour is a link that is up; it is asked when its time has come, and what
 * it then gives goes through directory_learn. (The search through the keys of
 * the DHT has nothing to do with it: directory_dht.c.)
 */
#include "tunnel/directory/directory_internal.h"

#include "wire/msgpack/mp_reader.h"
#include "wire/msgpack/mp_writer.h"

#include <string.h>

#define SAMPLE_EVERY   (30 * TIME_MIN) /* of one neighbour */
#define SAMPLE_FAST    (30 * TIME_S)   /* or so, while they are looked for */
#define SAMPLE_TIMEOUT (10 * TIME_S)
#define DRAWS          24 /* tries to find some that are usable */

static struct neighbour *find(const struct directory *d,
                              const struct link *link)
{
    for (unsigned i = 0; i < d->neighbour_count; i++)
        if (d->neighbours[i].link == link)
            return &d->neighbours[i];
    return NULL;
}

void directory_link_up(struct directory *d, struct link *link,
                       const struct endpoint *ep, bool opened_by_us,
                       uint64_t now)
{
    if (!opened_by_us || d->neighbour_count == d->config.max_neighbours ||
        find(d, link) != NULL)
        return;
    d->neighbours[d->neighbour_count++] =
        (struct neighbour){.link = link, .ep = *ep, .ask_at = now};
    directory_wake(d, now);
}

void directory_link_down(struct directory *d, const struct link *link)
{
    struct neighbour *n = find(d, link);

    if (n != NULL)
        *n = d->neighbours[--d->neighbour_count];
}

void sample_restart(struct directory *d, uint64_t now)
{
    for (unsigned i = 0; i < d->neighbour_count; i++)
        d->neighbours[i].ask_at = now;
}

void sample_tick(struct directory *d, uint64_t now)
{
    for (unsigned i = 0; i < d->neighbour_count; i++) {
        struct neighbour *n = &d->neighbours[i];

        if (n->ask_at <= now) {
            n->ask_at = now + directory_jitter(
                                  d, directory_patience(d, 1, SAMPLE_FAST,
                                                        SAMPLE_EVERY, now));
            if (d->env.send_cell(d->env.ctx, n->link, CELL_SAMPLE_ASK,
                                 bytes_of(NULL, 0), now)) {
                n->waiting_until = time_after(now, SAMPLE_TIMEOUT);
                d->stats.sample_asks_out++;
            }
        }
        directory_wake(d, n->ask_at);
    }
}

/* ---- Giving ------------------------------------------------------------ */

static bool is_chosen(const struct known_relay *const *chosen, unsigned count,
                      const struct known_relay *relay)
{
    for (unsigned i = 0; i < count; i++)
        if (chosen[i] == relay)
            return true;
    return false;
}

static unsigned draw(const struct directory *d, uint64_t wall,
                     const struct known_relay *out[DIRECTORY_SAMPLE_MAX])
{
    size_t room = SAMPLE_TEXT - 1;
    unsigned count = 0;

    if (d->known.count == 0)
        return 0;
    for (unsigned i = 0; i < DRAWS && count < DIRECTORY_SAMPLE_MAX; i++) {
        const struct known_relay *relay =
            d->known.relays[random_below(&d->env.random, d->known.count)];
        size_t len = 3 + (size_t)relay->text_len;

        if (len > room || !known_is_usable(relay, wall) ||
            is_chosen(out, count, relay))
            continue;
        out[count++] = relay;
        room -= len;
    }
    return count;
}

enum error directory_receive_sample_ask(struct directory *d, struct link *link,
                                        const struct endpoint *ep,
                                        bool opened_by_us, uint64_t wall,
                                        uint64_t now)
{
    const struct known_relay *chosen[DIRECTORY_SAMPLE_MAX];
    uint8_t text[SAMPLE_TEXT];
    struct mp_writer w;
    unsigned count;

    if (opened_by_us || d->own.len == 0)
        return ERR_UNEXPECTED;
    if (!limiter_allow(&d->samples, ep, now))
        return ERR_RATE_LIMITED;
    d->stats.sample_asks_in++;
    count = draw(d, wall, chosen);
    mp_writer_init(&w, text, sizeof(text));
    mp_write_array(&w, count);
    for (unsigned i = 0; i < count; i++)
        mp_write_bin(&w, bytes_of(chosen[i]->text, chosen[i]->text_len));
    if (d->env.send_cell(d->env.ctx, link, CELL_SAMPLE, mp_writer_bytes(&w),
                         now))
        d->stats.samples_out++;
    return OK;
}

/* ---- Taking ------------------------------------------------------------ */

enum error directory_receive_sample(struct directory *d, struct link *link,
                                    struct bytes text, uint64_t wall,
                                    uint64_t now)
{
    struct mp_token tokens[1 + DIRECTORY_SAMPLE_MAX];
    struct mp_tape tape = {.tokens = tokens, .cap = 1 + DIRECTORY_SAMPLE_MAX};
    struct neighbour *n = find(d, link);
    struct mp_reader r;
    uint32_t count;
    size_t used;

    if (n == NULL || n->waiting_until < now || n->waiting_until == 0)
        return ERR_UNEXPECTED;
    n->waiting_until = 0;
    mp_reader_parse_first(&r, &tape, text, &used);
    d->stats.samples_in += r.err == OK;
    count = mp_read_array(&r, DIRECTORY_SAMPLE_MAX);
    for (uint32_t i = 0; i < count && r.err == OK; i++) {
        struct bytes one = mp_read_bytes(&r, 1, DESCRIPTOR_MAX);

        /* A bad one does not spoil the others; it is counted. */
        if (r.err == OK)
            (void)directory_learn(d, one, &n->ep, false, wall);
    }
    return r.err;
}

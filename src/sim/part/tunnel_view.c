/* SPDX-License-Identifier: MIT
 *
 * Levels, when a sample is taken: how much a few clients know of the relays,
 * and how many of each other a few members of strings have met. Those few are
 * LOOKED_AT records one after the other, others with each sample.
 */
#include "sim/part/tunnel_room.h"
#include "sim/part/tunnel_truth.h"

#define LOOKED_AT 64

/* Of all that it knows, who is there; and who is hostile, there or not. */
static void look_at_client(const struct tunnel_record *r, uint64_t now)
{
    const struct laboratory *lab = r->work->lab;
    const struct directory *d = member_directory(r->n->member);
    uint64_t there = 0, hostile = 0;

    for (unsigned i = 0; i < directory_count(d); i++) {
        const struct known_relay *k = directory_at(d, i);

        there += truth_relay(lab, k) != NULL;
        hostile += truth_is_hostile(lab, &k->d.addresses[0], now);
    }
    measure_share(lab->measures, M_VIEW, there, r->work->relays);
    if (truth_enemy_is_there(lab, now))
        measure_share(lab->measures, M_VIEW_HOSTILE, hostile,
                      directory_count(d));
}

static void look_at_associate(const struct tunnel_record *r)
{
    const struct tunnel_seats *seats = &r->work->associates;
    uint32_t strings = r->work->lab->scenario->services.strings;
    uint64_t met = 0, others = 0;

    for (uint32_t i = r->seat % strings; i < seats->count; i += strings) {
        const struct tunnel_record *other = seats->who[i];

        if (other == NULL || other == r || other->met == NULL)
            continue;
        others++;
        met += tunnel_has_met(r->met, other->met->key);
    }
    measure_share(r->work->lab->measures, M_MEMBERS_FOUND, met, others);
}

void tunnel_view_sample(struct tunnel_work *w, uint64_t now)
{
    uint32_t n = w->count < LOOKED_AT ? w->count : LOOKED_AT;

    for (uint32_t i = 0; i < n; i++) {
        const struct tunnel_record *r =
            w->records[w->next_to_look_at++ % w->count];

        if (r->circuits != NULL)
            look_at_client(r, now);
        if (r->met != NULL)
            look_at_associate(r);
    }
    w->next_to_look_at = w->count == 0 ? 0 : w->next_to_look_at % w->count;
}

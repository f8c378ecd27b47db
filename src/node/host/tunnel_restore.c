/* SPDX-License-Identifier: MIT
 *
 * The member takes relays by itself as they are found and tells when one is
 * worth a row; at the start all rows are offered to it again.
 */
#include "node/host/tunnel_restore.h"
#include "node/os/clock.h"

#include <string.h>

enum error tunnel_restore_keep(struct store *store,
                               const struct stored_relay *relay)
{
    struct store_relay r = {.text_len = (uint16_t)relay->text.len,
                            .record = relay->record};

    _Static_assert(DESCRIPTOR_MAX <= STORE_RELAY_TEXT, "fits the store");
    memcpy(r.identity, relay->identity, sizeof(r.identity));
    memcpy(r.text, relay->text.p, relay->text.len);
    return store_put_relay(store, &r);
}

struct restoring {
    struct member *member;
    struct store *store;
    uint64_t now;
    struct tunnel_restored *counts;
};

static void restore_relay(void *ctx, const struct store_relay *relay)
{
    struct restoring *r = ctx;
    struct stored_relay s = {.text = bytes_of(relay->text, relay->text_len),
                             .record = relay->record};

    memcpy(s.identity, relay->identity, sizeof(s.identity));
    if (member_add_stored(r->member, &s, clock_wall(), r->now) == OK) {
        r->counts->taken++;
        return;
    }
    r->counts->refused++;
    store_remove_relay(r->store, relay->identity);
}

void tunnel_restore_all(struct member *t, struct store *store, unsigned max,
                        uint64_t now, struct tunnel_restored *out)
{
    struct restoring r = {
        .member = t, .store = store, .now = now, .counts = out};

    *out = (struct tunnel_restored){0};
    if (store_each_relay(store, max, restore_relay, &r) != OK)
        out->refused++;
}

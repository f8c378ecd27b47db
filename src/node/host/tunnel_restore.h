/* SPDX-License-Identifier: MIT
 *
 * The relays that a node keeps between runs, between the member's shapes and
 * the store's.
 */
#ifndef WARREN_NODE_HOST_TUNNEL_RESTORE_H
#define WARREN_NODE_HOST_TUNNEL_RESTORE_H

#include "base/error.h"
#include "store/store.h"
#include "tunnel/member/member.h"

#include <stdint.h>

struct tunnel_restored {
    uint64_t taken;
    uint64_t refused; /* expired, too many or damaged */
};

/* Shows the member up to `max` relays of an earlier life. What it does not
 * take is removed from the store. */
void tunnel_restore_all(struct member *t, struct store *store, unsigned max,
                        uint64_t now, struct tunnel_restored *out);
/* Errors of store_put_relay. */
enum error tunnel_restore_keep(struct store *store,
                               const struct stored_relay *relay);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Relays asked for their descriptors over the net: who is asked, what comes
 * back, and when those that are known are asked again. ASK, TELL and COOKIE,
 * see docs/protocol-tunnel.md.
 */
#ifndef WARREN_TUNNEL_DIRECTORY_DIRECTORY_ASK_H
#define WARREN_TUNNEL_DIRECTORY_DIRECTORY_ASK_H

#include "base/endpoint.h"
#include "tunnel/link/link_message.h"

#include <stdbool.h>
#include <stdint.h>

struct ask {
    struct endpoint ep;
    uint8_t nonce[LINK_ASK_NONCE];
    uint64_t deadline; /* 0: a free slot */
    unsigned tries;
    bool for_others;
    bool has_cookie;
    uint8_t cookie[LINK_COOKIE_BYTES];
};

struct directory;
struct known_relay;

/* A relay answered from there, or it is one of the last that were asked. */
bool ask_is_familiar(const struct directory *d, const struct endpoint *ep);
/* Out of turn; false when there is no room, or it is asked already. */
bool ask_now(struct directory *d, const struct endpoint *ep, uint64_t now);
void ask_tick(struct directory *d, uint64_t wall, uint64_t now);
/* Asks relays whose descriptors run out for new ones, and those that others
 * named whether they are there; prunes dead ones. */
void refresh_tick(struct directory *d, uint64_t wall, uint64_t now);
/* Somebody says that it cannot be reached: whether it answers us. One that
 * does not is put aside (directory_put_aside). */
void ask_doubted(struct directory *d, struct known_relay *relay, uint64_t now);
/* There is one to be asked. */
void refresh_soon(struct directory *d);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The descriptor of this node: signed anew when it changes or runs out,
 * announced under a well-known key and put into the DHT.
 *
 * Where we are, others may have told us, and lied. What nobody but them says
 * waits until it was reached (directory_reach.h); meanwhile the relay is
 * announced in the DHT, so that others come and ask. An address that was ours
 * stays in the descriptor for OWN_KEPT beside the new one: who asks us where we
 * are finds the address that he asked, and others use what answers (known.h).
 */
#ifndef WARREN_TUNNEL_DIRECTORY_DIRECTORY_SELF_H
#define WARREN_TUNNEL_DIRECTORY_DIRECTORY_SELF_H

#include "base/timestamp.h"
#include "tunnel/directory/descriptor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SELF_TOLD_FRESH (10 * TIME_MIN)
#define OWN_KEPT        TIME_HOUR

struct own {
    bool present;        /* directory_set_self gave one */
    bool dirty;          /* it has changed: sign anew */
    bool announced;      /* in the DHT */
    bool to_put;         /* the item is not in the DHT yet */
    struct descriptor d; /* its addresses: those given, then those kept */
    uint8_t given;
    uint8_t unproven_count; /* given too, but nobody was seen to reach them */
    struct endpoint unproven[DESCRIPTOR_ADDRESSES_MAX];
    struct {
        struct endpoint ep;
        uint64_t until; /* monotonic */
    } kept[DESCRIPTOR_ADDRESSES_MAX];
    uint64_t rotated;  /* wall seconds */
    uint64_t renew_at; /* monotonic */
    uint64_t retry_at; /* monotonic: publishing failed */
    size_t len;        /* of the text; 0: none */
    uint8_t text[DESCRIPTOR_MAX];
    /* The same, issued when it was last told to somebody. */
    uint64_t told_at;     /* monotonic */
    uint64_t told_issued; /* wall seconds */
    size_t told_len;      /* 0: it was not told since it changed */
    uint8_t told[DESCRIPTOR_MAX];
};

struct directory;

/* What to tell who asks: signed within SELF_TOLD_FRESH, so that it tells the
 * time too. Empty when there is none. */
struct bytes self_to_tell(struct directory *d, uint64_t wall, uint64_t now);

/* Somebody reached us: what is proven now is signed, so that it can be told. */
void self_reached(struct directory *d, uint64_t wall, uint64_t now);

void self_tick(struct directory *d, uint64_t wall, uint64_t now);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The descriptor of this node: signed anew when it changes or runs out,
 * announced under a well-known key and put into the DHT.
 */
#ifndef WARREN_TUNNEL_DIRECTORY_DIRECTORY_SELF_H
#define WARREN_TUNNEL_DIRECTORY_DIRECTORY_SELF_H

#include "tunnel/directory/descriptor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct own {
    bool present;   /* directory_set_self gave one */
    bool dirty;     /* it has changed: sign anew */
    bool announced; /* in the DHT */
    bool to_put;    /* the item is not in the DHT yet */
    struct descriptor d;
    uint64_t rotated;  /* wall seconds */
    uint64_t renew_at; /* monotonic */
    uint64_t retry_at; /* monotonic: publishing failed */
    size_t len;        /* of the text; 0: none */
    uint8_t text[DESCRIPTOR_MAX];
};

struct directory;

void self_tick(struct directory *d, uint64_t wall, uint64_t now);

#endif

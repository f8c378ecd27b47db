/* SPDX-License-Identifier: MIT
 *
 * What a member is made with: who it is, its limits, and those of its parts.
 */
#ifndef WARREN_TUNNEL_MEMBER_MEMBER_CONFIG_H
#define WARREN_TUNNEL_MEMBER_MEMBER_CONFIG_H

#include "tunnel/directory/dht_provider.h"
#include "tunnel/exit/exit.h"
#include "tunnel/meeting/meeting.h"
#include "tunnel/outlet/outlet.h"
#include "tunnel/router/router.h"
#include "tunnel/service/service.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Wall seconds for which the handshake key before is taken after a rotation:
 * as long as a descriptor of ours that names it counts somewhere. */
#define MEMBER_PREVIOUS_LIFE (DESCRIPTOR_LIFETIME + DESCRIPTOR_SKEW)

/* The seven settings have the names that applications know. */
struct member_config {
    char network[DHT_NETWORK_MAX + 1];
    bool testing_network;
    bool family[FAMILIES];

    uint8_t identity[32];        /* Ed25519, public */
    uint8_t identity_secret[64]; /* libsodium's secret key */
    uint8_t handshake_secret[NOISE_KEY_BYTES];
    uint64_t handshake_made; /* wall seconds */
    uint8_t previous_secret[NOISE_KEY_BYTES];
    uint64_t previous_replaced; /* wall seconds; 0: there is none before */

    unsigned min_circuits, max_circuits;  /* of each length asked for */
    unsigned max_relays_or_exits;         /* 0: relays nothing */
    uint64_t max_time, max_time_inactive; /* ns */
    uint64_t max_traffic;                 /* bytes */
    bool become_exitnode;
    bool exit_tcp; /* and of streams too */

    bool has_family_id; /* declared by an operator of several relays */
    uint8_t family_id[32];

    unsigned max_links, max_half_open;
    unsigned handshake_rate;        /* INITs a second without a cookie */
    unsigned handshake_source_rate; /* of one source, with one */
    unsigned create_rate;           /* CREATEs a second, overall */
    unsigned create_source_rate;
    unsigned max_sources;
    unsigned max_known_relays;
    unsigned speedtest_rate; /* TESTs answered a second */
    size_t max_piece_memory; /* bytes, of unfinished long datagrams */
    struct transit_queue_config queue;
    struct exit_config exit;
    struct outlet_config outlet;

    bool introduces;               /* serves services of others, as a relay */
    struct meeting_config meeting; /* network and what follows is filled in */
    struct service_config service; /* likewise */
    unsigned max_service_circuits;
    struct vanguard_set layer2; /* of an earlier life */
};

/* Everything but identity and keys. */
void member_config_init(struct member_config *config);

#endif

/* SPDX-License-Identifier: MIT
 *
 * A source: what one party may have, seen at four widths. Nobody can be told
 * from his address alone, so what is limited by source is limited at each.
 *
 *                host    line    site    network
 *     IPv4       /32     /32     /24     /16
 *     IPv6       /64     /56     /48     /32
 *
 * A host has an IPv4 address, or an IPv6 /64 in which it can be anywhere; a
 * home line has an IPv4 address or a /56 (RFC 6177; RIPE-690); who rents a site
 * or asks a tunnel broker has a /24 or a /48; a provider has a network.
 *
 * Addresses that are not global (loopback, private) are hosts only: a network
 * of these is one's own.
 */
#ifndef WARREN_BASE_SOURCE_H
#define WARREN_BASE_SOURCE_H

#include "base/endpoint.h"

#include <stdbool.h>
#include <stdint.h>

enum source_level { SOURCE_HOST, SOURCE_LINE, SOURCE_SITE, SOURCE_NETWORK };
#define SOURCE_LEVELS 4

#define SOURCE_KEY_BYTES 16

/* Whether `ep` is counted at this level: at its host's always; above, when it
 * is global and the level is wider than the one before. */
bool source_counts(const struct endpoint *ep, enum source_level level);

/* The first address of the source, its port 0. */
struct endpoint source_of(const struct endpoint *ep, enum source_level level);

/* Both belong to one source of this level; addresses that are not global, of
 * any wider level, only when they are one host. */
bool source_same(const struct endpoint *a, const struct endpoint *b,
                 enum source_level level);

/* What a source of this level may have of something, where a host may have
 * `host` and all sources together `all`: a line twice as much as a host, a site
 * four times, a network sixteen times, but no more than half of all; a host
 * has its own in any case. */
unsigned source_allowance(enum source_level level, unsigned host, unsigned all);

/* How much `count` things of one source weigh against those of others: a
 * host's eightfold, a line's fourfold, a site's twice. */
unsigned source_weight(enum source_level level, unsigned count);

/* A number for the source, for tables: SipHash with a secret key, so that
 * nobody aims at a place in them. Sources of two levels have two. */
uint64_t source_hash(const struct endpoint *ep, enum source_level level,
                     const uint8_t key[SOURCE_KEY_BYTES]);

#endif

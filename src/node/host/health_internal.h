/* SPDX-License-Identifier: MIT
 *
 * What the checks of health.c and health_joined.c share.
 */
#ifndef WARREN_NODE_HOST_HEALTH_INTERNAL_H
#define WARREN_NODE_HOST_HEALTH_INTERNAL_H

#include "node/host/health.h"

#include <stdbool.h>
#include <stdint.h>

#define SAY(field, ...) snprintf(field, sizeof(field), __VA_ARGS__)

/* The next problem, its sentences still to be written; the last one is used
 * again when there are too many. */
struct health_problem *health_add(struct health *h, enum health_level level,
                                  const char *code);

/* NULL: the mainline DHT is not enabled. */
const struct dht_host *health_dht_of(const struct node *n, enum store_dht dht);

bool health_has_joined(const struct node *n, enum store_dht dht);

/* Whether relays and services are looked for in it. */
bool health_is_provider(const struct node *n, enum store_dht dht);

void health_check_joined(const struct node *n, uint64_t now, struct health *h);
void health_check_mainline(const struct node *n, uint64_t now,
                           struct health *h);

#endif

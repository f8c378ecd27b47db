/* SPDX-License-Identifier: MIT
 *
 * The table of a scenario's keys, and the kinds of values that only scenarios
 * have.
 */
#ifndef WARREN_SIM_SCENARIO_SCENARIO_KEYS_H
#define WARREN_SIM_SCENARIO_SCENARIO_KEYS_H

#include "sim/scenario/scenario.h"

extern const struct setting_key scenario_keys[]; /* of struct scenario */
extern const size_t scenario_keys_count;

/* scenario_value.c: struct spread, each with a word for none, its .names[0].
 */
extern const struct setting_type scenario_session; /* forever; times */
extern const struct setting_type scenario_latency; /* wide; times */
extern const struct setting_type scenario_uplink;  /* unlimited; sizes */
extern const struct setting_type scenario_real;    /* double, up to key->max */
extern const struct setting_type scenario_csv;     /* a path or nothing */
/* scenario_list.c: bool[SCENARIO_HOPS_MAX + 1], by hops */
extern const struct setting_type scenario_hops;
extern const struct setting_type scenario_behaviours; /* bool[BEHAVIOURS] */
extern const struct setting_type scenario_partitions;
extern const struct setting_type scenario_networks; /* ADDR/BITS */
extern const struct setting_type scenario_habits;   /* bool[SCENARIO_HABITS] */
extern const struct setting_type scenario_dialect;  /* enum dht_dialect */
/* enum scenario_arrival, enum scenario_popularity */
extern const struct setting_type scenario_arrival, scenario_popularity;

extern const char *const scenario_behaviour_names[BEHAVIOURS + 1];

#endif

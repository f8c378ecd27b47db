/* SPDX-License-Identifier: MIT
 *
 * Values that are lists: lengths of circuits, behaviours, partitions, networks.
 */
#include "sim/scenario/scenario_keys.h"

#include "base/timestamp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WORD_SIZE 64

/* ---- Lengths of circuits --------------------------------------------------
 */

static enum error parse_hops(const struct setting_key *key, const char *text,
                             void *value, struct text *why)
{
    uint64_t n;

    (void)why;
    if (text[0] == '\0')
        return OK;
    if (!setting_read_number(text, &n) || n < 1 || n > key->max)
        return ERR_SYNTAX;
    ((bool *)value)[n] = true;
    return OK;
}

static void print_hops(const struct setting_key *key, const void *value,
                       struct text *out)
{
    const char *between = "";

    for (uint64_t n = 1; n <= key->max; n++) {
        if (!((const bool *)value)[n])
            continue;
        text_addf(out, "%s%" PRIu64, between, n);
        between = ", ";
    }
}

static void explain_hops(const struct setting_key *key, struct text *out)
{
    text_addf(out, "a list of whole numbers from 1 to %" PRIu64, key->max);
}

const struct setting_type scenario_hops = {.parse = parse_hops,
                                           .print = print_hops,
                                           .explain = explain_hops,
                                           .list = true};

/* ---- Behaviours -----------------------------------------------------------
 */

const char *const scenario_behaviour_names[BEHAVIOURS + 1] = {
    [BEHAVE_DROP] = "drop",       [BEHAVE_COLLUDE] = "collude",
    [BEHAVE_CROWD] = "crowd",     [BEHAVE_MADE_UP] = "made_up",
    [BEHAVE_RELAY] = "relay",     [BEHAVE_REFUSE] = "refuse",
    [BEHAVE_OBSERVE] = "observe",
};

/* A list that is a set, one bool for each name. */
static enum error parse_names(const char *const *names, const char *text,
                              bool *value)
{
    if (text[0] == '\0')
        return OK;
    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(text, names[i]) == 0) {
            value[i] = true;
            return OK;
        }
    }
    return ERR_SYNTAX;
}

static void print_names(const char *const *names, const bool *value,
                        struct text *out)
{
    const char *between = "";

    for (int i = 0; names[i] != NULL; i++) {
        if (!value[i])
            continue;
        text_addf(out, "%s%s", between, names[i]);
        between = ", ";
    }
}

static void explain_names(const char *const *names, struct text *out)
{
    text_add(out, "a list of");
    for (int i = 0; names[i] != NULL; i++)
        text_addf(out, "%s %s",
                  i == 0                 ? ""
                  : names[i + 1] != NULL ? ","
                                         : " and",
                  names[i]);
}

static enum error parse_behaviours(const struct setting_key *key,
                                   const char *text, void *value,
                                   struct text *why)
{
    (void)key, (void)why;
    return parse_names(scenario_behaviour_names, text, value);
}

static void print_behaviours(const struct setting_key *key, const void *value,
                             struct text *out)
{
    (void)key;
    print_names(scenario_behaviour_names, value, out);
}

static void explain_behaviours(const struct setting_key *key, struct text *out)
{
    (void)key;
    explain_names(scenario_behaviour_names, out);
}

const struct setting_type scenario_behaviours = {.parse = parse_behaviours,
                                                 .print = print_behaviours,
                                                 .explain = explain_behaviours,
                                                 .list = true};

/* In the order of the bits of enum sim_habit. */
static const char *const habit_names[SCENARIO_HABITS + 1] = {
    "values_alone", "basic",      "silent",  "any_id",       "no_ip",
    "no_token",     "no_implied", "no_want", "no_read_only", NULL};

static enum error parse_habits(const struct setting_key *key, const char *text,
                               void *value, struct text *why)
{
    (void)key, (void)why;
    return parse_names(habit_names, text, value);
}

static void print_habits(const struct setting_key *key, const void *value,
                         struct text *out)
{
    (void)key;
    print_names(habit_names, value, out);
}

static void explain_habits(const struct setting_key *key, struct text *out)
{
    (void)key;
    explain_names(habit_names, out);
}

const struct setting_type scenario_habits = {.parse = parse_habits,
                                             .print = print_habits,
                                             .explain = explain_habits,
                                             .list = true};

/* ---- Partitions -----------------------------------------------------------
 */

static bool read_partition(const char *text, struct scenario_partition *out)
{
    char from[WORD_SIZE], to[WORD_SIZE], share[WORD_SIZE];

    return setting_next_word(&text, from, sizeof(from)) &&
           setting_next_word(&text, to, sizeof(to)) &&
           setting_next_word(&text, share, sizeof(share)) &&
           setting_is_blank(text) && setting_read_duration(from, &out->from) &&
           setting_read_duration(to, &out->to) && out->from < out->to &&
           setting_read_share(share, &out->share) && out->share > 0 &&
           out->share < 1;
}

static enum error parse_partition(const struct setting_key *key,
                                  const char *text, void *value,
                                  struct text *why)
{
    struct scenario_partitions *list = value;
    struct scenario_partition p;

    if (text[0] == '\0')
        return OK;
    if (!read_partition(text, &p))
        return ERR_SYNTAX;
    if (list->count > 0 && p.from < list->at[list->count - 1].to) {
        text_add(why, "after the one before it has ended: one at a time");
        return ERR_SYNTAX;
    }
    if (list->count == key->max)
        return setting_list_full(key, "partitions", why);
    list->at[list->count++] = p;
    return OK;
}

static void print_partitions(const struct setting_key *key, const void *value,
                             struct text *out)
{
    const struct scenario_partitions *list = value;

    (void)key;
    for (unsigned i = 0; i < list->count; i++) {
        text_add(out, i == 0 ? "" : ", ");
        setting_print_duration(list->at[i].from, out);
        text_add(out, " ");
        setting_print_duration(list->at[i].to, out);
        text_addf(out, " %.10g%%", list->at[i].share * 100);
    }
}

const struct setting_type scenario_partitions = {
    .parse = parse_partition,
    .print = print_partitions,
    .explain = setting_explain_fixed,
    .explained = "a list of FROM TO SHARE, like 20m 30m 50%, where FROM comes "
                 "before TO and SHARE lies between 0% and 100%",
    .list = true};

/* ---- Networks -------------------------------------------------------------
 */

/* Whether all bits after the first `bits` are 0. */
static bool ends_in_zeros(const struct endpoint *ep, unsigned bits,
                          unsigned all)
{
    for (unsigned i = bits; i < all; i++) {
        if ((ep->addr[i / 8] >> (7 - i % 8) & 1) != 0)
            return false;
    }
    return true;
}

static bool read_network(const char *text, struct scenario_prefix *out)
{
    const char *slash = strchr(text, '/');
    char address[WORD_SIZE];
    uint64_t bits, all;

    if (slash == NULL || slash - text >= WORD_SIZE)
        return false;
    snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
    if (endpoint_parse_addr(address, &out->ep) != OK)
        return false;
    all = out->ep.family == FAMILY_IPV4 ? 32 : 128;
    out->ep.port = 0;
    if (!endpoint_is_global(&out->ep) ||
        !setting_read_number(slash + 1, &bits) || bits < 1 || bits >= all ||
        !ends_in_zeros(&out->ep, (unsigned)bits, (unsigned)all))
        return false;
    out->bits = (unsigned)bits;
    return true;
}

static enum error parse_network(const struct setting_key *key, const char *text,
                                void *value, struct text *why)
{
    struct scenario_networks *list = value;
    struct scenario_prefix p = {0};

    if (text[0] == '\0')
        return OK;
    if (!read_network(text, &p))
        return ERR_SYNTAX;
    if (list->count == key->max)
        return setting_list_full(key, "networks", why);
    list->at[list->count++] = p;
    return OK;
}

static void print_networks(const struct setting_key *key, const void *value,
                           struct text *out)
{
    const struct scenario_networks *list = value;
    char buf[ENDPOINT_TEXT_SIZE];

    (void)key;
    for (unsigned i = 0; i < list->count; i++)
        text_addf(out, "%s%s/%u", i == 0 ? "" : ", ",
                  endpoint_print_addr(&list->at[i].ep, buf), list->at[i].bits);
}

const struct setting_type scenario_networks = {
    .parse = parse_network,
    .print = print_networks,
    .explain = setting_explain_fixed,
    .explained =
        "a list of ADDR/BITS of the public Internet, from /1 to /31, or to "
        "/127 of IPv6, without bits set behind the first BITS, like "
        "24.1.0.0/16 or 2a00:1::/32",
    .list = true};

/* SPDX-License-Identifier: MIT
 *
 * Kinds of values that only [tunnel] and [exit] have: numbers of hops, the
 * lines of an exit policy, and what follows from them for streams; and what a
 * declared family becomes.
 */
#include "node/config/config_keys.h"

#include <sodium.h>

#include <assert.h>
#include <string.h>

#define TEXT_OF_(x) #x
#define TEXT_OF(x)  TEXT_OF_(x)

/* ---- Hops: a list that is a set, one bool for each number -------------- */

static enum error parse_hops(const struct setting_key *key, const char *text,
                             void *value, struct text *why)
{
    bool *wanted = value;
    uint64_t hops;

    (void)key;
    (void)why;
    if (text[0] == '\0')
        return OK;
    if (!setting_read_number(text, &hops) || hops == 0 || hops > ONION_HOPS_MAX)
        return ERR_SYNTAX;
    wanted[hops] = true;
    return OK;
}

static void print_hops(const struct setting_key *key, const void *value,
                       struct text *out)
{
    const bool *wanted = value;
    const char *before = "";

    (void)key;
    for (unsigned i = 1; i <= ONION_HOPS_MAX; i++) {
        if (!wanted[i])
            continue;
        text_addf(out, "%s%u", before, i);
        before = ", ";
    }
}

const struct setting_type config_hops = {
    .parse = parse_hops,
    .print = print_hops,
    .explain = setting_explain_fixed,
    .explained = "a number of hops from 1 to " TEXT_OF(ONION_HOPS_MAX),
    .list = true};

/* ---- Exit policy ------------------------------------------------------- */

static enum error parse_policy(const struct setting_key *key, const char *text,
                               void *value, struct text *why)
{
    char wrong[POLICY_ERROR_SIZE];
    struct config_policy *policy = value;
    struct policy_line line = {0};

    if (text[0] == '\0')
        return OK;
    if (policy_parse_line(bytes_of_text(text), &line, wrong) != OK) {
        setting_explain_fixed(key, why);
        text_addf(why, " (%s)", wrong);
        return ERR_SYNTAX;
    }
    if (policy->count == key->max)
        return setting_list_full(key, "lines", why);
    policy->lines[policy->count++] = line;
    return OK;
}

static void print_policy(const struct setting_key *key, const void *value,
                         struct text *out)
{
    const struct config_policy *policy = value;
    char buf[POLICY_LINE_SIZE];

    (void)key;
    for (unsigned i = 0; i < policy->count; i++)
        text_addf(out, "%s%s", i == 0 ? "" : ", ",
                  policy_print_line(&policy->lines[i], buf));
}

const struct setting_type config_policy = {
    .parse = parse_policy,
    .print = print_policy,
    .explain = setting_explain_fixed,
    .explained = "accept or reject with ADDR[/BITS][:PORT[-PORT]], like accept "
                 "*:443 or reject 192.0.2.0/24",
    .list = true};

/* Spam by mail and news, and worms: what exits of tor refuse. Not the ports of
 * file sharing, and not those of submission, which asks for a password. */
_Static_assert(CONFIG_POLICY_MAX + CONFIG_ABUSED <= POLICY_LINES_MAX,
               "a policy has room for both");
static const char *const abused[CONFIG_ABUSED] = {
    "reject *:25", "reject *:119", "reject *:135-139", "reject *:445",
    "reject *:563"};

void config_derive_tcp(const struct config_policy *set,
                       const struct config_policy *datagrams,
                       struct config_policy *out)
{
    char why[POLICY_ERROR_SIZE];

    *out = *set;
    if (set->count > 0)
        return;
    for (size_t i = 0; i < CONFIG_ABUSED; i++) {
        struct policy_line *line = &out->lines[out->count++];
        enum error e = policy_parse_line(bytes_of_text(abused[i]), line, why);

        assert(e == OK);
        (void)e;
    }
    for (unsigned i = 0; i < datagrams->count; i++)
        out->lines[out->count++] = datagrams->lines[i];
}

/* ---- Families ---------------------------------------------------------- */

bool config_family_id(const char *name, uint8_t id[32])
{
    static const char purpose[] = "warren family";

    memset(id, 0, 32);
    if (name[0] == '\0')
        return false;
    crypto_generichash(id, 32, (const uint8_t *)name, strlen(name),
                       (const uint8_t *)purpose, sizeof(purpose) - 1);
    return true;
}

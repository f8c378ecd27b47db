/* SPDX-License-Identifier: MIT
 *
 * Values of the kinds that only [tunnel] and [exit] have.
 */
#include "node/config/config_keys.h"

#include <sodium.h>

#include <string.h>

bool config_parse_hops(const char *text, struct config *config)
{
    uint64_t hops;

    if (text[0] == '\0')
        return true;
    if (!config_read_number(text, &hops) || hops == 0 || hops > ONION_HOPS_MAX)
        return false;
    config->tunnel_build[hops] = true;
    return true;
}

void config_print_hops(const struct config *config, struct text *out)
{
    const char *before = "";

    for (unsigned i = 1; i <= ONION_HOPS_MAX; i++) {
        if (!config->tunnel_build[i])
            continue;
        text_addf(out, "%s%u", before, i);
        before = ", ";
    }
}

bool config_parse_endpoints(const char *text, unsigned max,
                            struct config_endpoints *list, struct text *why)
{
    struct endpoint ep;

    if (text[0] == '\0')
        return true;
    if (endpoint_parse(text, &ep) != OK || !endpoint_is_usable(&ep))
        return false;
    if (list->count == max) {
        text_addf(why, "one of at most %u addresses", max);
        return false;
    }
    list->at[list->count++] = ep;
    return true;
}

void config_print_endpoints(const struct config_endpoints *list,
                            struct text *out)
{
    char buf[ENDPOINT_TEXT_SIZE];

    for (unsigned i = 0; i < list->count; i++)
        text_addf(out, "%s%s", i == 0 ? "" : ", ",
                  endpoint_print(&list->at[i], buf));
}

bool config_parse_policy(const char *text, struct config *config,
                         struct text *why)
{
    char wrong[POLICY_ERROR_SIZE];
    struct policy_line line;

    if (text[0] == '\0')
        return true;
    if (policy_parse_line(bytes_of_text(text), &line, wrong) != OK)
        return false;
    if (config->exit_policy_count == POLICY_LINES_MAX) {
        text_addf(why, "one of at most %d lines", POLICY_LINES_MAX);
        return false;
    }
    config->exit_policy[config->exit_policy_count++] = line;
    return true;
}

void config_print_policy(const struct config *config, struct text *out)
{
    char buf[POLICY_LINE_SIZE];

    for (unsigned i = 0; i < config->exit_policy_count; i++)
        text_addf(out, "%s%s", i == 0 ? "" : ", ",
                  policy_print_line(&config->exit_policy[i], buf));
}

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

/* SPDX-License-Identifier: MIT */
#include "node/config/config_keys.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *suffix;
    uint64_t factor;
};

/* Largest first: the first that divides a value prints it shortest. */
static const struct unit size_units[] = {
    {"g", 1 << 30}, {"m", 1 << 20}, {"k", 1 << 10}, {"", 1}, {NULL, 0}};
static const struct unit time_units[] = {
    {"d", 24 * TIME_HOUR}, {"h", TIME_HOUR}, {"m", TIME_MIN},
    {"s", TIME_S},         {"ms", TIME_MS},  {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

static const char *const level_names[] = {"error", "warn", "info", "debug",
                                          NULL};
static const char *const format_names[] = {"text", "json", NULL};

static void *value_of(const struct config_key *key, struct config *config)
{
    return (char *)config + key->offset;
}

static const void *const_value_of(const struct config_key *key,
                                  const struct config *config)
{
    return (const char *)config + key->offset;
}

/* ---- Numbers ---- */

static const struct unit *units_of(enum config_type type)
{
    if (type == CONFIG_SIZE || type == CONFIG_BYTES)
        return size_units;
    return type == CONFIG_DURATION ? time_units : no_units;
}

static bool read_number(const char *text, const struct unit *units,
                        uint64_t *out)
{
    uint64_t n = 0;
    const char *p = text;

    while (*p >= '0' && *p <= '9') {
        unsigned digit = (unsigned)(*p++ - '0');

        if (n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    for (; p > text && units->suffix != NULL; units++) {
        if (strcmp(units->suffix, p) != 0)
            continue;
        if (n > UINT64_MAX / units->factor)
            return false;
        *out = n * units->factor;
        return true;
    }
    return false;
}

static void print_number(uint64_t n, const struct unit *units, struct text *out)
{
    while (units[1].suffix != NULL && (n == 0 || n % units->factor != 0))
        units++;
    text_addf(out, "%" PRIu64 "%s", n / units->factor, units->suffix);
}

static bool parse_number(const struct config_key *key, const char *text,
                         struct config *config)
{
    uint64_t n;

    if (!read_number(text, units_of(key->type), &n) || n < key->min ||
        n > key->max)
        return false;
    if (key->type == CONFIG_DURATION || key->type == CONFIG_BYTES)
        *(uint64_t *)value_of(key, config) = n;
    else
        *(unsigned *)value_of(key, config) = (unsigned)n;
    return true;
}

/* ---- Words ---- */

static bool parse_bool(const struct config_key *key, const char *text,
                       struct config *config)
{
    static const char *const words[] = {"false", "true", "no", "yes",
                                        "off",   "on",   "0",  "1"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i], text) == 0) {
            *(bool *)value_of(key, config) = i % 2 == 1;
            return true;
        }
    }
    return false;
}

/* The index of `text` in `names`, or -1. */
static int parse_choice(const char *text, const char *const *names)
{
    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], text) == 0)
            return i;
    }
    return -1;
}

static bool parse_level(const char *text, struct config *config)
{
    int i = parse_choice(text, level_names);

    if (i >= 0)
        config->log.level = (enum log_level)i;
    return i >= 0;
}

static bool parse_format(const char *text, struct config *config)
{
    int i = parse_choice(text, format_names);

    if (i >= 0)
        config->log.format = (enum log_format)i;
    return i >= 0;
}

/* ---- Strings ---- */

/* A family may be none, a network has a name. */
static bool parse_name(const struct config_key *key, const char *text,
                       struct config *config)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t len = strlen(text);

    if ((len == 0 && key->type == CONFIG_NAME) || len > DHT_NETWORK_MAX ||
        strspn(text, allowed) != len)
        return false;
    memcpy(value_of(key, config), text, len + 1);
    return true;
}

/* "~/x" is below the home directory, as a shell would have it. */
static bool parse_path(const struct config_key *key, const char *text,
                       struct config *config)
{
    const char *home = strncmp(text, "~/", 2) == 0 ? getenv("HOME") : NULL;
    size_t home_len = home == NULL ? 0 : strlen(home);
    const char *rest = home == NULL ? text : text + 1;
    size_t len = strlen(rest);
    char *out = value_of(key, config);

    if (len == 0 || home_len + len >= CONFIG_PATH_SIZE)
        return false;
    if (home != NULL)
        memcpy(out, home, home_len);
    memcpy(out + home_len, rest, len + 1);
    return true;
}

/* ---- All types ---- */

static void explain_number(const struct config_key *key, struct text *why)
{
    const struct unit *units = units_of(key->type);

    text_add(why, units == size_units   ? "a size from "
                  : units == time_units ? "a duration from "
                                        : "a whole number from ");
    print_number(key->min, units, why);
    text_add(why, " to ");
    print_number(key->max, units, why);
    if (units == size_units)
        text_add(why, ", like 512k or 4m");
    if (units == time_units)
        text_add(why, ", like 30s, 15m or 2h");
}

static void explain_choice(const char *const *names, struct text *out)
{
    for (int i = 0; names[i] != NULL; i++)
        text_addf(out, "%s%s", i == 0 ? "" : ", ", names[i]);
}

void config_value_explain(const struct config_key *key, struct text *out)
{
    switch (key->type) {
    case CONFIG_BOOL:
        text_add(out, "true or false");
        break;
    case CONFIG_COUNT:
    case CONFIG_SIZE:
    case CONFIG_BYTES:
    case CONFIG_DURATION:
        explain_number(key, out);
        break;
    case CONFIG_LEVEL:
        explain_choice(level_names, out);
        break;
    case CONFIG_FORMAT:
        explain_choice(format_names, out);
        break;
    case CONFIG_NAME:
        text_addf(out, "1 to %d letters, digits, '-', '_' or '.'",
                  DHT_NETWORK_MAX);
        break;
    case CONFIG_PATH:
        text_addf(out, "a path of 1 to %d bytes", CONFIG_PATH_SIZE - 1);
        break;
    case CONFIG_LISTEN:
        text_add(out, "ADDR:PORT, like 0.0.0.0:7881 or [::]:7881");
        break;
    case CONFIG_HOSTS:
        text_add(out, "HOST:PORT, like node.example.org:7881, "
                      "192.0.2.1:7881 or [2001:db8::1]:7881");
        break;
    case CONFIG_HTTP:
        text_add(out, "ADDR:PORT, like 127.0.0.1:7882, or empty for none");
        break;
    case CONFIG_FAMILY:
        text_addf(out, "up to %d letters, digits, '-', '_' or '.'",
                  DHT_NETWORK_MAX);
        break;
    case CONFIG_HOPS:
        text_addf(out, "a number of hops from 1 to %d", ONION_HOPS_MAX);
        break;
    case CONFIG_ENDPOINTS:
        text_add(out, "ADDR:PORT, like 192.0.2.1:7881 or [2001:db8::1]:7881");
        break;
    case CONFIG_POLICY:
        text_add(out, "accept or reject with ADDR[/BITS][:PORT[-PORT]], like "
                      "accept *:443 or reject 192.0.2.0/24");
        break;
    }
}

bool config_read_number(const char *text, uint64_t *out)
{
    return read_number(text, no_units, out);
}

static bool parse(const struct config_key *key, const char *text,
                  struct config *config, struct text *why)
{
    switch (key->type) {
    case CONFIG_BOOL:
        return parse_bool(key, text, config);
    case CONFIG_COUNT:
    case CONFIG_SIZE:
    case CONFIG_BYTES:
    case CONFIG_DURATION:
        return parse_number(key, text, config);
    case CONFIG_LEVEL:
        return parse_level(text, config);
    case CONFIG_FORMAT:
        return parse_format(text, config);
    case CONFIG_NAME:
    case CONFIG_FAMILY:
        return parse_name(key, text, config);
    case CONFIG_PATH:
        return parse_path(key, text, config);
    case CONFIG_LISTEN:
        return config_parse_listen(text, config, why);
    case CONFIG_HOSTS:
        return config_parse_hosts(text, config, why);
    case CONFIG_HTTP:
        return config_parse_http(text, config);
    case CONFIG_HOPS:
        return config_parse_hops(text, config);
    case CONFIG_ENDPOINTS:
        return config_parse_endpoints(text, (unsigned)key->max,
                                      value_of(key, config), why);
    case CONFIG_POLICY:
        return config_parse_policy(text, config, why);
    }
    assert(!"unknown type of setting");
    return false;
}

bool config_value_parse(const struct config_key *key, const char *text,
                        struct config *config, struct text *why)
{
    size_t before = why->len;

    if (parse(key, text, config, why))
        return true;
    if (why->len == before)
        config_value_explain(key, why);
    return false;
}

void config_value_clear(const struct config_key *key, struct config *config)
{
    if (key->type == CONFIG_LISTEN)
        config->listen_count = 0;
    if (key->type == CONFIG_HOSTS)
        config->bootstrap_count = 0;
    if (key->type == CONFIG_HOPS)
        memset(config->tunnel_build, 0, sizeof(config->tunnel_build));
    if (key->type == CONFIG_ENDPOINTS)
        ((struct config_endpoints *)value_of(key, config))->count = 0;
    if (key->type == CONFIG_POLICY)
        config->exit_policy_count = 0;
}

void config_value_print(const struct config_key *key,
                        const struct config *config, struct text *out)
{
    const void *value = const_value_of(key, config);

    switch (key->type) {
    case CONFIG_BOOL:
        text_add(out, *(const bool *)value ? "true" : "false");
        break;
    case CONFIG_COUNT:
    case CONFIG_SIZE:
        print_number(*(const unsigned *)value, units_of(key->type), out);
        break;
    case CONFIG_BYTES:
    case CONFIG_DURATION:
        print_number(*(const uint64_t *)value, units_of(key->type), out);
        break;
    case CONFIG_LEVEL:
        text_add(out, level_names[config->log.level]);
        break;
    case CONFIG_FORMAT:
        text_add(out, format_names[config->log.format]);
        break;
    case CONFIG_NAME:
    case CONFIG_FAMILY:
    case CONFIG_PATH:
        text_add(out, value);
        break;
    case CONFIG_LISTEN:
        config_print_listen(config, out);
        break;
    case CONFIG_HOSTS:
        config_print_hosts(config, out);
        break;
    case CONFIG_HTTP:
        config_print_http(config, out);
        break;
    case CONFIG_HOPS:
        config_print_hops(config, out);
        break;
    case CONFIG_ENDPOINTS:
        config_print_endpoints(value, out);
        break;
    case CONFIG_POLICY:
        config_print_policy(config, out);
        break;
    }
}

/* SPDX-License-Identifier: MIT
 *
 * Where the proxy listens: "127.0.0.1:1080 hops=3", "unix:/run/x hops=1", and
 * the resolver: "127.0.0.1:5353". Each listener has its own number of hops, so
 * that a program chooses by the port that it is told.
 */
#include "node/config/config_keys.h"

#include <stdio.h>
#include <string.h>

#define TEXT_OF_(x) #x
#define TEXT_OF(x)  TEXT_OF_(x)

#define HOPS "hops="

static bool parse_hops(const char *word, unsigned *out)
{
    size_t len = strlen(HOPS);
    uint64_t hops;

    if (strncmp(word, HOPS, len) != 0 ||
        !setting_read_number(word + len, &hops) || hops == 0 ||
        hops > ONION_HOPS_MAX)
        return false;
    *out = (unsigned)hops;
    return true;
}

static bool parse_listener(const char *text, struct config_listener *out)
{
    char word[CONFIG_SOCKET_SIZE + 8];

    if (!setting_next_word(&text, word, sizeof(word)))
        return false;
    out->is_unix = config_read_unix(word, out->path);
    if (!out->is_unix && endpoint_parse(word, &out->at) != OK)
        return false;
    if (setting_is_blank(text))
        return true;
    return setting_next_word(&text, word, sizeof(word)) &&
           parse_hops(word, &out->hops) && setting_is_blank(text);
}

/* Port 0 is another one each time. */
static bool is_same(const struct config_listener *a,
                    const struct config_listener *b)
{
    if (a->is_unix || b->is_unix)
        return strcmp(a->path, b->path) == 0;
    return a->at.port != 0 && endpoint_equal(&a->at, &b->at);
}

static enum error parse_socks(const struct setting_key *key, const char *text,
                              void *value, struct text *why)
{
    struct config_listener listener = {.hops = CONFIG_SOCKS_HOPS};
    struct config_listeners *list = value;

    if (text[0] == '\0')
        return OK;
    if (!parse_listener(text, &listener))
        return ERR_SYNTAX;
    for (unsigned i = 0; i < list->count; i++) {
        if (is_same(&listener, &list->at[i])) {
            text_add(why, "given once; it is in the list already");
            return ERR_SYNTAX;
        }
    }
    if (list->count == key->max)
        return setting_list_full(key, "listeners", why);
    list->at[list->count++] = listener;
    return OK;
}

static enum error parse_dns(const struct setting_key *key, const char *text,
                            void *value, struct text *why)
{
    struct config_listeners *list = value;
    enum error e = parse_socks(key, text, value, why);

    if (e != OK || list->count == 0 || !list->at[list->count - 1].is_unix)
        return e;
    list->count--;
    return ERR_SYNTAX;
}

const char *config_print_listener(const struct config_listener *l,
                                  char out[CONFIG_LISTENER_SIZE])
{
    char at[ENDPOINT_TEXT_SIZE];

    if (l->is_unix)
        snprintf(out, CONFIG_LISTENER_SIZE, "unix:%s", l->path);
    else
        snprintf(out, CONFIG_LISTENER_SIZE, "%s", endpoint_print(&l->at, at));
    return out;
}

static void print_socks(const struct setting_key *key, const void *value,
                        struct text *out)
{
    const struct config_listeners *list = value;
    char at[CONFIG_LISTENER_SIZE];

    (void)key;
    for (unsigned i = 0; i < list->count; i++)
        text_addf(out, "%s%s " HOPS "%u", i == 0 ? "" : ", ",
                  config_print_listener(&list->at[i], at), list->at[i].hops);
}

const struct setting_type config_socks = {
    .parse = parse_socks,
    .print = print_socks,
    .explain = setting_explain_fixed,
    .explained =
        "ADDR:PORT or unix:/PATH, and " HOPS "N behind it for another "
        "number of hops (1 to " TEXT_OF(ONION_HOPS_MAX) ") than " TEXT_OF(
            CONFIG_SOCKS_HOPS) ", "
                               "like 127.0.0.1:1080 or 127.0.0.1:1081 " HOPS
                               "1",
    .list = true};

const struct setting_type config_dns = {
    .parse = parse_dns,
    .print = print_socks,
    .explain = setting_explain_fixed,
    .explained = "ADDR:PORT, and " HOPS
                 "N behind it for another number of hops (1 "
                 "to " TEXT_OF(ONION_HOPS_MAX) ") than " TEXT_OF(
                     CONFIG_SOCKS_HOPS) ", like "
                                        "127.0.0.1:5353",
    .list = true};

const struct config_listener *
config_public_listener(const struct config_listeners *list)
{
    for (unsigned i = 0; i < list->count; i++) {
        if (!list->at[i].is_unix && !endpoint_is_loopback(&list->at[i].at))
            return &list->at[i];
    }
    return NULL;
}

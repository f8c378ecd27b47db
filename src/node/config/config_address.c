/* SPDX-License-Identifier: MIT
 *
 * Kinds of values that are made of addresses: those to listen on, those of
 * others, hosts by name or address, files that have some, and the one of the
 * HTTP pages.
 */
#include "node/config/config_keys.h"

#include "base/words.h"

#include <stdio.h>
#include <string.h>

bool config_read_unix(const char *text, char path[CONFIG_SOCKET_SIZE])
{
    static const char prefix[] = "unix:";
    size_t len = strlen(text), skip = sizeof(prefix) - 1;

    if (len < skip + 1 || len - skip >= CONFIG_SOCKET_SIZE ||
        memcmp(text, prefix, skip) != 0 || text[skip] != '/')
        return false;
    memcpy(path, text + skip, len - skip + 1);
    return true;
}

/* ---- Lists of endpoints ------------------------------------------------ */

static void print_endpoints(const struct setting_key *key, const void *value,
                            struct text *out)
{
    const struct config_endpoints *list = value;
    char buf[ENDPOINT_TEXT_SIZE];

    (void)key;
    for (unsigned i = 0; i < list->count; i++)
        text_addf(out, "%s%s", i == 0 ? "" : ", ",
                  endpoint_print(&list->at[i], buf));
}

/* Whether an address may stand in a list; `why` says what would. */
typedef bool (*endpoint_check)(const struct config_endpoints *list,
                               const struct endpoint *ep, struct text *why);

/* An empty text is an empty list. */
static enum error parse_element(const struct setting_key *key, const char *text,
                                struct config_endpoints *list,
                                endpoint_check check, struct text *why)
{
    struct endpoint ep;

    if (text[0] == '\0')
        return OK;
    if (endpoint_parse(text, &ep) != OK || !check(list, &ep, why))
        return ERR_SYNTAX;
    if (list->count == key->max)
        return setting_list_full(key, "addresses", why);
    list->at[list->count++] = ep;
    return OK;
}

static bool is_new(const struct config_endpoints *list,
                   const struct endpoint *ep, struct text *why)
{
    for (unsigned i = 0; i < list->count; i++) {
        if (ep->port != 0 && endpoint_equal(ep, &list->at[i])) {
            text_add(why, "given once; it is in the list already");
            return false;
        }
    }
    return true;
}

static enum error parse_listen(const struct setting_key *key, const char *text,
                               void *value, struct text *why)
{
    return parse_element(key, text, value, is_new, why);
}

const struct setting_type config_listen = {
    .parse = parse_listen,
    .print = print_endpoints,
    .explain = setting_explain_fixed,
    .explained = "ADDR:PORT, like 0.0.0.0:7881 or [::]:7881",
    .list = true};

/* Of one machine, to send to. */
static bool is_one_machine(const struct config_endpoints *list,
                           const struct endpoint *ep, struct text *why)
{
    (void)list;
    if (endpoint_is_usable(ep))
        return true;
    text_add(why, ep->port == 0 ? "an address with a port from 1 to 65535"
                                : "the address of one machine");
    return false;
}

static enum error parse_endpoint(const struct setting_key *key,
                                 const char *text, void *value,
                                 struct text *why)
{
    return parse_element(key, text, value, is_one_machine, why);
}

const struct setting_type config_endpoints = {
    .parse = parse_endpoint,
    .print = print_endpoints,
    .explain = setting_explain_fixed,
    .explained = "ADDR:PORT, like 192.0.2.1:7881 or [2001:db8::1]:7881",
    .list = true};

/* ---- Hosts ------------------------------------------------------------- */

/* Letters, digits, dots, dashes; colons only in an address in brackets. */
static bool read_host(const char *text, size_t len, char out[CONFIG_HOST_SIZE])
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

    if (len == 0 || len >= CONFIG_HOST_SIZE)
        return false;
    memcpy(out, text, len);
    out[len] = '\0';
    return strspn(out, allowed) == len && text[0] != '-';
}

static bool read_port(const char *text, uint16_t *out)
{
    uint64_t port;

    if (!setting_read_number(text, &port) || port == 0 || port > UINT16_MAX)
        return false;
    *out = (uint16_t)port;
    return true;
}

static bool read_host_port(const char *text, struct config_host *out)
{
    const char *colon = strrchr(text, ':');
    char addr[ENDPOINT_TEXT_SIZE];
    struct endpoint ep;

    if (endpoint_parse(text, &ep) == OK && ep.port != 0) {
        snprintf(out->host, sizeof(out->host), "%s",
                 endpoint_print_addr(&ep, addr));
        out->port = ep.port;
        return true;
    }
    return colon != NULL &&
           read_host(text, (size_t)(colon - text), out->host) &&
           read_port(colon + 1, &out->port);
}

static enum error parse_host(const struct setting_key *key, const char *text,
                             void *value, struct text *why)
{
    struct config_hosts *list = value;
    struct config_host host = {0};

    if (text[0] == '\0')
        return OK;
    if (!read_host_port(text, &host))
        return ERR_SYNTAX;
    if (words_is_hidden_host(host.host)) {
        text_add(why, "a node, not a hidden service, which has no address");
        return ERR_SYNTAX;
    }
    if (list->count == key->max)
        return setting_list_full(key, "nodes", why);
    list->at[list->count++] = host;
    return OK;
}

static void print_hosts(const struct setting_key *key, const void *value,
                        struct text *out)
{
    const struct config_hosts *list = value;

    (void)key;
    for (unsigned i = 0; i < list->count; i++) {
        const struct config_host *h = &list->at[i];
        bool v6 = strchr(h->host, ':') != NULL;

        text_addf(out, "%s%s%s%s:%u", i == 0 ? "" : ", ", v6 ? "[" : "",
                  h->host, v6 ? "]" : "", h->port);
    }
}

/* Each with the port that nodes of the DHT have mostly. */
#define HOSTS(port)                                                 \
    {                                                               \
        .parse = parse_host, .print = print_hosts,                  \
        .explain = setting_explain_fixed,                           \
        .explained = "HOST:PORT, like node.example.org:" port       \
                     ", 192.0.2.1:" port " or [2001:db8::1]:" port, \
        .list = true                                                \
    }

const struct setting_type config_hosts = HOSTS("7881");
const struct setting_type config_mainline_hosts = HOSTS("6881");

/* ---- Files --------------------------------------------------------------- */

static enum error parse_file(const struct setting_key *key, const char *text,
                             void *value, struct text *why)
{
    const struct setting_key path = {.size = CONFIG_PATH_SIZE};
    struct config_files *list = value;
    enum error err;

    if (text[0] == '\0')
        return OK;
    if (list->count == key->max)
        return setting_list_full(key, "files", why);
    err = setting_path.parse(&path, text, list->at[list->count], why);
    list->count += err == OK;
    return err;
}

static void print_files(const struct setting_key *key, const void *value,
                        struct text *out)
{
    const struct config_files *list = value;

    (void)key;
    for (unsigned i = 0; i < list->count; i++)
        text_addf(out, "%s%s", i == 0 ? "" : ", ", list->at[i]);
}

const struct setting_type config_files = {
    .parse = parse_file,
    .print = print_files,
    .explain = setting_explain_fixed,
    .explained = "the path of a file, without a comma",
    .list = true};

/* ---- Names of this machine --------------------------------------------- */

static enum error parse_own_name(const struct setting_key *key,
                                 const char *text, void *value,
                                 struct text *why)
{
    struct config_names *list = value;
    char name[CONFIG_HOST_SIZE];

    if (text[0] == '\0')
        return OK;
    if (!read_host(text, strlen(text), name))
        return ERR_SYNTAX;
    if (list->count == key->max)
        return setting_list_full(key, "names", why);
    memcpy(list->at[list->count++], name, sizeof(name));
    return OK;
}

static void print_own_names(const struct setting_key *key, const void *value,
                            struct text *out)
{
    const struct config_names *list = value;

    (void)key;
    for (unsigned i = 0; i < list->count; i++)
        text_addf(out, "%s%s", i == 0 ? "" : ", ", list->at[i]);
}

const struct setting_type config_names = {.parse = parse_own_name,
                                          .print = print_own_names,
                                          .explain = setting_explain_fixed,
                                          .explained = "a name without a port, "
                                                       "like node.example.org",
                                          .list = true};

/* ---- The HTTP pages ---------------------------------------------------- */

/* "none", because a variable that is empty counts as one that is not set. */
static enum error parse_http(const struct setting_key *key, const char *text,
                             void *value, struct text *why)
{
    bool on = text[0] != '\0' && strcmp(text, "none") != 0;
    struct endpoint ep = {0};
    struct config_http *http = value;

    (void)key;
    (void)why;
    if (on && endpoint_parse(text, &ep) != OK)
        return ERR_SYNTAX;
    http->on = on;
    http->listen = ep;
    return OK;
}

static void print_http(const struct setting_key *key, const void *value,
                       struct text *out)
{
    const struct config_http *http = value;
    char buf[ENDPOINT_TEXT_SIZE];

    (void)key;
    text_add(out, http->on ? endpoint_print(&http->listen, buf) : "none");
}

const struct setting_type config_http = {
    .parse = parse_http,
    .print = print_http,
    .explain = setting_explain_fixed,
    .explained = "ADDR:PORT, like 127.0.0.1:7882, or none"};

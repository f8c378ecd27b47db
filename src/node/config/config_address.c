/* SPDX-License-Identifier: MIT */
#include "node/config/config_keys.h"

#include <stdio.h>
#include <string.h>

bool config_parse_listen(const char *text, struct config *config,
                         struct text *why)
{
    struct endpoint ep;

    if (text[0] == '\0')
        return true;
    if (endpoint_parse(text, &ep) != OK)
        return false;
    if (config->listen_count == CONFIG_LISTEN_MAX) {
        text_addf(why, "one of at most %d addresses", CONFIG_LISTEN_MAX);
        return false;
    }
    for (unsigned i = 0; i < config->listen_count; i++) {
        if (ep.port != 0 && endpoint_equal(&ep, &config->listen[i])) {
            text_add(why, "given once; it is in the list already");
            return false;
        }
    }
    config->listen[config->listen_count++] = ep;
    return true;
}

bool config_parse_http(const char *text, struct config *config)
{
    struct endpoint ep = {0};

    if (text[0] != '\0' && endpoint_parse(text, &ep) != OK)
        return false;
    config->http = text[0] != '\0';
    config->http_listen = ep;
    return true;
}

/* Letters, digits, dots, dashes; colons only in an address in brackets. */
static bool read_host(const char *text, size_t len, struct config_host *out)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

    if (len == 0 || len >= sizeof(out->host))
        return false;
    memcpy(out->host, text, len);
    out->host[len] = '\0';
    return strspn(out->host, allowed) == len && text[0] != '-';
}

static bool read_port(const char *text, uint16_t *out)
{
    uint64_t port;

    if (!config_read_number(text, &port) || port == 0 || port > UINT16_MAX)
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
    return colon != NULL && read_host(text, (size_t)(colon - text), out) &&
           read_port(colon + 1, &out->port);
}

bool config_parse_hosts(const char *text, struct config *config,
                        struct text *why)
{
    struct config_host host = {0};

    if (text[0] == '\0')
        return true;
    if (!read_host_port(text, &host))
        return false;
    if (config->bootstrap_count == CONFIG_BOOTSTRAP_MAX) {
        text_addf(why, "one of at most %d nodes", CONFIG_BOOTSTRAP_MAX);
        return false;
    }
    config->bootstrap[config->bootstrap_count++] = host;
    return true;
}

static void print_endpoint(const struct endpoint *ep, struct text *out)
{
    char buf[ENDPOINT_TEXT_SIZE];

    text_add(out, endpoint_print(ep, buf));
}

void config_print_hosts(const struct config *config, struct text *out)
{
    for (unsigned i = 0; i < config->bootstrap_count; i++) {
        const struct config_host *h = &config->bootstrap[i];
        bool v6 = strchr(h->host, ':') != NULL;

        text_addf(out, "%s%s%s%s:%u", i == 0 ? "" : ", ", v6 ? "[" : "",
                  h->host, v6 ? "]" : "", h->port);
    }
}

void config_print_listen(const struct config *config, struct text *out)
{
    for (unsigned i = 0; i < config->listen_count; i++) {
        text_add(out, i == 0 ? "" : ", ");
        print_endpoint(&config->listen[i], out);
    }
}

void config_print_http(const struct config *config, struct text *out)
{
    if (config->http)
        print_endpoint(&config->http_listen, out);
}

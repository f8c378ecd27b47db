/* SPDX-License-Identifier: MIT
 *
 * Read here and not by c-ares, which cannot say whether the file has named a
 * server or it was assumed.
 */
#include "node/names/resolv_conf.h"

#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS   " \t\r\n"
#define DNS_PORT 53

static bool is_link_local(const struct endpoint *ep)
{
    return ep->family == FAMILY_IPV6 && ep->addr[0] == 0xfe &&
           (ep->addr[1] & 0xc0) == 0x80;
}

/* By its name, or its number; 0: there is none. */
static unsigned zone_of(const char *text)
{
    char name[IF_NAMESIZE], *end;
    unsigned zone = if_nametoindex(text);
    unsigned long number;

    if (zone != 0 || text[0] < '1' || text[0] > '9')
        return zone;
    number = strtoul(text, &end, 10);
    if (*end != '\0' || number > INT_MAX ||
        if_indextoname((unsigned)number, name) == NULL)
        return 0;
    return (unsigned)number;
}

/* What is behind `percent` may be NULL: there is no zone. */
static bool read_place(const char *text, const char *percent,
                       struct dns_place *out)
{
    char address[ENDPOINT_TEXT_SIZE];
    size_t len = percent == NULL ? strlen(text) : (size_t)(percent - text);

    *out = (struct dns_place){.zone = 0};
    if (len >= sizeof(address))
        return false;
    memcpy(address, text, len);
    address[len] = '\0';
    if (endpoint_parse_addr(address, &out->ep) != OK)
        return false;
    out->ep.port = DNS_PORT;
    if (percent == NULL)
        return true;
    out->zone = is_link_local(&out->ep) ? zone_of(percent + 1) : 0;
    return out->zone != 0;
}

static void take_server(struct resolv_conf *c, const char *text)
{
    if (text == NULL || c->server_count == RESOLV_SERVERS_MAX)
        return;
    if (read_place(text, strchr(text, '%'), &c->servers[c->server_count]))
        c->server_count++;
    else
        c->passed_over = true;
}

/* The last line about them counts. The dot at the end, which they may have, is
 * none of the names that are asked for. */
static void take_domains(struct resolv_conf *c, char **rest)
{
    char *text;

    c->domain_count = 0;
    while (c->domain_count < RESOLV_DOMAINS_MAX &&
           (text = strtok_r(NULL, BLANKS, rest)) != NULL) {
        size_t len = strlen(text);

        while (len > 0 && text[len - 1] == '.')
            text[--len] = '\0';
        if (len > 0 && len < RESOLV_DOMAIN_SIZE)
            memcpy(c->domains[c->domain_count++], text, len + 1);
    }
}

static void take_options(struct resolv_conf *c, char **rest)
{
    const char *text;

    while ((text = strtok_r(NULL, BLANKS, rest)) != NULL) {
        unsigned long value;

        if (strncmp(text, "ndots:", 6) != 0)
            continue;
        value = strtoul(text + 6, NULL, 10);
        c->ndots = value > RESOLV_NDOTS_MAX ? RESOLV_NDOTS_MAX
                                            : (unsigned)value;
    }
}

static void take_line(struct resolv_conf *c, char *line)
{
    char *rest;
    const char *word = strtok_r(line, BLANKS, &rest);

    if (word == NULL)
        return;
    if (strcmp(word, "nameserver") == 0)
        take_server(c, strtok_r(NULL, BLANKS, &rest));
    else if (strcmp(word, "search") == 0 || strcmp(word, "domain") == 0)
        take_domains(c, &rest);
    else if (strcmp(word, "options") == 0)
        take_options(c, &rest);
}

const char *resolv_conf_why_assumed(const struct resolv_conf *c)
{
    return c->passed_over ? "of " RESOLV_CONF_PATH
                            " no name server can be asked (a zone, as in "
                            "fe80::1%eth0, must be an interface), and none "
                            "answers on this machine"
                          : "no name server is named in " RESOLV_CONF_PATH
                            ", and none answers on this machine";
}

void resolv_conf_read(const char *path, struct resolv_conf *out)
{
    FILE *file = fopen(path, "re");
    char line[1024];

    *out = (struct resolv_conf){.ndots = RESOLV_NDOTS_DEFAULT};
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        take_line(out, line);
    if (file != NULL)
        fclose(file);
    out->assumed = out->server_count == 0;
    if (out->assumed)
        take_server(out, "127.0.0.1");
}

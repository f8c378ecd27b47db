/* SPDX-License-Identifier: MIT
 *
 * Sections [service NAME]: the table of their keys, kinds of values that only
 * they have, and how such a section of the file is read. The value of a key is
 * in the struct config_service of its section; all else is as for other keys.
 */
#include "node/config/config_source.h"

#include "base/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- Strings ----------------------------------------------------------- */

static enum error parse_string(const struct setting_key *key, const char *text,
                               void *value, struct text *why)
{
    size_t len = strlen(text);

    if (len > key->max)
        return ERR_SYNTAX;
    if (words_end_in(text, ".warren")) {
        text_add(why, "a text that does not end in .warren, as addresses do");
        return ERR_SYNTAX;
    }
    memcpy(value, text, len + 1);
    return OK;
}

static void print_string(const struct setting_key *key, const void *value,
                         struct text *out)
{
    (void)key;
    text_add(out, value);
}

static const struct setting_type string_type = {
    .parse = parse_string,
    .print = print_string,
    .explain = setting_explain_fixed,
    .explained = "at most 255 bytes"};

/* ---- Hops -------------------------------------------------------------- */

static enum error parse_hops(const struct setting_key *key, const char *text,
                             void *value, struct text *why)
{
    uint64_t n = 0;

    if (setting_read_number(text, &n) && n >= key->min && n <= key->max) {
        *(unsigned *)value = (unsigned)n;
        return OK;
    }
    setting_explain_fixed(key, why);
    if (n > key->max)
        text_add(why, ": a circuit has four hops at most, and the last one is "
                      "a relay that somebody else has chosen");
    return ERR_SYNTAX;
}

static void print_hops(const struct setting_key *key, const void *value,
                       struct text *out)
{
    (void)key;
    text_addf(out, "%u", *(const unsigned *)value);
}

static const struct setting_type hops_type = {
    .parse = parse_hops,
    .print = print_hops,
    .explain = setting_explain_fixed,
    .explained = "a number of hops from 1 to 3"};

/* ---- Ports: "53 udp 127.0.0.1:5353", "80 tcp unix:/run/x proxy" --------- */

static bool parse_target(const char *text, struct config_port *port)
{
    port->is_unix = config_read_unix(text, port->path);
    return port->is_unix || (endpoint_parse(text, &port->to) == OK &&
                             endpoint_is_usable(&port->to));
}

/* Nothing more, or the last word. */
static bool parse_proxy(const char *text, struct config_port *port)
{
    char word[8];

    if (setting_next_word(&text, word, sizeof(word))) {
        port->tells_peer = port->is_tcp && strcmp(word, "proxy") == 0;
        if (!port->tells_peer)
            return false;
    }
    return setting_is_blank(text);
}

static enum error parse_port(const struct setting_key *key, const char *text,
                             void *value, struct text *why)
{
    struct config_ports *ports = value;
    struct config_port port = {.port = 0};
    char word[CONFIG_SOCKET_SIZE + 8];
    uint64_t number;

    if (text[0] == '\0')
        return OK;
    if (!setting_next_word(&text, word, sizeof(word)) ||
        !setting_read_number(word, &number) || number == 0 ||
        number > UINT16_MAX)
        return ERR_SYNTAX;
    port.port = (uint16_t)number;
    if (!setting_next_word(&text, word, sizeof(word)))
        return ERR_SYNTAX;
    port.is_tcp = strcmp(word, "tcp") == 0;
    if (!port.is_tcp && strcmp(word, "udp") != 0)
        return ERR_SYNTAX;
    if (!setting_next_word(&text, word, sizeof(word)) ||
        !parse_target(word, &port) || !parse_proxy(text, &port))
        return ERR_SYNTAX;
    for (unsigned i = 0; i < ports->count; i++) {
        if (ports->at[i].port == port.port &&
            ports->at[i].is_tcp == port.is_tcp) {
            text_addf(why, "a port of its own; %u %s is there already",
                      port.port, port.is_tcp ? "tcp" : "udp");
            return ERR_SYNTAX;
        }
    }
    if (ports->count == key->max)
        return setting_list_full(key, "ports", why);
    ports->at[ports->count++] = port;
    return OK;
}

const char *config_port_print(const struct config_port *port,
                              char text[CONFIG_PORT_TEXT])
{
    char at[ENDPOINT_TEXT_SIZE];

    snprintf(text, CONFIG_PORT_TEXT, "%u %s %s%s%s", port->port,
             port->is_tcp ? "tcp" : "udp", port->is_unix ? "unix:" : "",
             port->is_unix ? port->path : endpoint_print(&port->to, at),
             port->tells_peer ? " proxy" : "");
    return text;
}

static void print_ports(const struct setting_key *key, const void *value,
                        struct text *out)
{
    const struct config_ports *ports = value;
    char one[CONFIG_PORT_TEXT];

    (void)key;
    for (unsigned i = 0; i < ports->count; i++)
        text_addf(out, "%s%s", i == 0 ? "" : ", ",
                  config_port_print(&ports->at[i], one));
}

static const struct setting_type port_type = {
    .parse = parse_port,
    .print = print_ports,
    .explain = setting_explain_fixed,
    .explained = "PORT udp ADDR:PORT, PORT tcp ADDR:PORT, or with unix:/PATH "
                 "as the address, like 80 tcp 127.0.0.1:8080; behind a port "
                 "of tcp may stand proxy",
    .list = true};

/* ---- The keys ---------------------------------------------------------- */

#define AT(member)                                     \
    .offset = offsetof(struct config_service, member), \
    .size = sizeof(((struct config_service *)0)->member), .reloadable = true

const struct setting_key config_service_keys[CONFIG_SERVICE_KEYS] = {
    {"service", "string", &string_type, AT(string),
     .max = CONFIG_STRING_SIZE - 1,
     .meaning = "Everybody who has this string is a member of the service and\n"
                "finds the others. None: a service with a key and an address\n"
                "of its own, which `warren service show NAME` prints."},
    {"service", "hops", &hops_type, AT(hops), .min = 1, .max = 3, .init = "3",
     .meaning = "Relays between this node and the relay that it meets others\n"
                "at; fewer are faster and hide less."},
    {"service", "points", &setting_count, AT(points), .min = 1,
     .max = SERVICE_POINTS_MAX, .init = "3",
     .meaning = "Relays that introduce others to this service."},
    {"service", "max_peers", &setting_count, AT(max_peers), .min = 1,
     .max = 10000, .init = "32", .meaning = "Peers of this service."},
    {"service", "port", &port_type, AT(ports), .max = CONFIG_PORTS_MAX,
     .meaning =
         "Datagrams (udp) or streams (tcp) of peers for this port go to this\n"
         "socket, and answers back: each peer has a local socket of its own\n"
         "for datagrams, so that a server tells them apart, and each stream a\n"
         "connection; with proxy behind it the server is told the number of\n"
         "the peer by the PROXY protocol, version 2. The key may stand again\n"
         "for another port."},
};

void config_service_init(struct config_service *service)
{
    struct text why;

    memset(service, 0, sizeof(*service));
    text_init(&why, 256);
    for (size_t i = 0; i < CONFIG_SERVICE_KEYS; i++)
        if (config_service_keys[i].init != NULL)
            setting_set(&config_service_keys[i], config_service_keys[i].init,
                        service, false, &why);
    text_deinit(&why);
}

/* ---- Reading ------------------------------------------------------------ */

#define BLANKS " \t"

/* "web" of "service web"; NULL for another kind of section. */
static const char *name_of(const char *section)
{
    static const char word[] = "service";
    size_t len = sizeof(word) - 1;

    if (strncmp(section, word, len) != 0 ||
        (section[len] != '\0' && strchr(BLANKS, section[len]) == NULL))
        return NULL;
    return section + len + strspn(section + len, BLANKS);
}

static bool is_name(const char *name)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t len = strlen(name);

    return len > 0 && len < CONFIG_SERVICE_SIZE && strspn(name, first) > 0 &&
           strspn(name, allowed) == len;
}

bool config_load_service(struct config_loader *l, const char *where,
                         unsigned line, const char *section)
{
    struct config_services *all = &l->config.services;
    const char *name = name_of(section);

    if (name == NULL)
        return false;
    l->skipped = section;
    if (!is_name(name)) {
        config_loader_report(l, where,
                             "[%s] must be [service NAME], a name of 1 to %d "
                             "letters, digits, '-', '_' or '.', beginning "
                             "with a letter or a digit",
                             section, CONFIG_SERVICE_SIZE - 1);
        return true;
    }
    for (unsigned i = 0; i < all->count; i++) {
        if (strcmp(all->at[i].name, name) == 0) {
            config_loader_report(l, where,
                                 "[%s] stands twice, first on line %u; leave "
                                 "one",
                                 section, l->service_lines[i]);
            return true;
        }
    }
    if (all->count == CONFIG_SERVICES_MAX) {
        config_loader_report(l, where,
                             "[%s] is one too many: there can be %d services",
                             section, CONFIG_SERVICES_MAX);
        return true;
    }
    l->skipped = NULL;
    l->service_lines[all->count] = line;
    l->service = &all->at[all->count++];
    config_service_init(l->service);
    memcpy(l->service->name, name, strlen(name) + 1);
    memset(l->service_set, 0, sizeof(l->service_set));
    return true;
}

static void unknown_key(struct config_loader *l, const char *where,
                        const char *name)
{
    for (size_t i = 0; i < CONFIG_SERVICE_KEYS; i++) {
        if (words_similar(name, config_service_keys[i].name)) {
            config_loader_report(
                l, where,
                "unknown key '%s' in [service %s]; did you mean '%s'?", name,
                l->service->name, config_service_keys[i].name);
            return;
        }
    }
    config_loader_report(l, where,
                         "unknown key '%s' in [service %s]; there are string, "
                         "hops, points, max_peers and port",
                         name, l->service->name);
}

void config_load_service_pair(struct config_loader *l, const char *where,
                              unsigned line, const char *name,
                              const char *value)
{
    const struct setting_key *key = config_service_keys;
    struct text why;
    size_t i = 0;

    while (i < CONFIG_SERVICE_KEYS && strcmp(key[i].name, name) != 0)
        i++;
    if (i == CONFIG_SERVICE_KEYS) {
        unknown_key(l, where, name);
        return;
    }
    if (l->service_set[i] != 0 && !key[i].type->list) {
        config_loader_report(l, where,
                             "%s is set twice, first on line %u; leave one",
                             name, l->service_set[i]);
        return;
    }
    text_init(&why, 1024);
    if (setting_set(&key[i], value, l->service, l->service_set[i] != 0, &why) !=
        OK)
        config_loader_report(l, where, "%s", text_get(&why));
    text_deinit(&why);
    l->service_set[i] = line;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "map/ddl.h"

#include "map/template.h"

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_QUOTED, TOKEN_STRING, TOKEN_SIGN, TOKEN_BROKEN };

struct token {
	enum token_kind kind;
	char quote;	      /* of a QUOTED name: ` or " */
	struct fl_bytes text; /* WORD: as written; QUOTED, STRING: between the quotes; SIGN: one */
};

/* Reads tokens with one of look-ahead: `token` is the next that is not yet taken. */
struct parser {
	const char *at, *end;
	bool in_comment; /* within the code of an executable comment */
	struct token token;
	struct fl_bytes default_db;
	struct fl_ddl *ddl;
	struct fl_ddl_name **last;
	bool no_memory;
};

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '$' || (c & 0x80) != 0;
}

static bool starts(const struct parser *p, const char *text)
{
	size_t size = strlen(text);
	return (size_t)(p->end - p->at) >= size && memcmp(p->at, text, size) == 0;
}

static void skip_past(struct parser *p, const char *text)
{
	size_t size = strlen(text);
	const char *found = memmem(p->at, (size_t)(p->end - p->at), text, size);
	p->at = found != NULL ? found + size : p->end;
}

/* Blanks and comments. What stands in an executable comment (of MySQL, of MariaDB, with or without
 * a version number) is code. A server that does not execute it logs it as a plain one. */
static void skip_blanks(struct parser *p)
{
	while (p->at < p->end) {
		if (strchr(" \t\r\n\f\v", *p->at) != NULL) { /* NUL too: it is no part of SQL */
			p->at++;
		} else if (p->in_comment && starts(p, "*/")) {
			p->in_comment = false;
			p->at += 2;
		} else if (starts(p, "/*!") || starts(p, "/*M!")) {
			p->in_comment = true;
			p->at += p->at[2] == 'M' ? 4 : 3;
			while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
				p->at++;
		} else if (starts(p, "/*")) {
			p->at += 2;
			skip_past(p, "*/");
		} else if (*p->at == '#' ||
			   (starts(p, "--") &&
				   (p->end - p->at == 2 || strchr(" \t\r\n", p->at[2]) != NULL))) {
			skip_past(p, "\n");
		} else {
			return;
		}
	}
}

/* Makes the next token. A backslash escapes within strings; in sql_mode NO_BACKSLASH_ESCAPES it
 * does not, and a string would seem to go on: the statement is then not understood, or more is
 * cleared than needed. */
static void advance(struct parser *p)
{
	skip_blanks(p);
	p->token = (struct token){ .kind = TOKEN_END };
	if (p->at == p->end)
		return;
	const char *start = p->at;
	char const quote = *p->at;
	if (is_word_char(quote)) {
		while (p->at < p->end && is_word_char(*p->at))
			p->at++;
		p->token.kind = TOKEN_WORD;
		p->token.text = (struct fl_bytes){ start, (size_t)(p->at - start) };
	} else if (quote == '`' || quote == '"' || quote == '\'') {
		for (p->at++; p->at < p->end; p->at++) {
			if (*p->at == '\\' && quote != '`' && p->at + 1 < p->end) {
				p->at++;
			} else if (*p->at == quote) {
				if (p->at + 1 == p->end || p->at[1] != quote)
					break;
				p->at++;
			}
		}
		p->token.kind = p->at == p->end ? TOKEN_BROKEN
				: quote == '\'' ? TOKEN_STRING
						: TOKEN_QUOTED;
		p->token.quote = quote;
		p->token.text = (struct fl_bytes){ start + 1, (size_t)(p->at - start) - 1 };
		p->at += p->at < p->end;
	} else {
		p->at++;
		p->token.kind = TOKEN_SIGN;
		p->token.text = (struct fl_bytes){ start, 1 };
	}
}

/* Whether the next token is one of the words, which are separated by single blanks. */
static bool is_any(const struct parser *p, const char *words)
{
	while (*words != '\0') {
		size_t size = strcspn(words, " ");
		if (p->token.kind == TOKEN_WORD && p->token.text.size == size &&
			fl_same_letters(p->token.text.data, words, size))
			return true;
		words += size + (words[size] == ' ');
	}
	return false;
}

static bool is_sign(const struct parser *p, char sign)
{
	return p->token.kind == TOKEN_SIGN && *p->token.text.data == sign;
}

/* A statement ends with the text, or with the semicolon that some clients send along. */
static bool at_end(const struct parser *p)
{
	return p->token.kind == TOKEN_END || is_sign(p, ';');
}

static bool take(struct parser *p, const char *words)
{
	bool found = is_any(p, words);
	if (found)
		advance(p);
	return found;
}

static bool take_sign(struct parser *p, char sign)
{
	bool found = is_sign(p, sign);
	if (found)
		advance(p);
	return found;
}

static void take_if_exists(struct parser *p)
{
	if (take(p, "IF")) {
		take(p, "NOT");
		take(p, "EXISTS");
	}
}

static void take_wait(struct parser *p)
{
	if (take(p, "WAIT"))
		advance(p);
	else
		take(p, "NOWAIT");
}

/* One part of a name, with the quotes doubled in it made single. */
static bool take_identifier(struct parser *p, struct fl_bytes *ret)
{
	struct token token = p->token;
	if ((token.kind != TOKEN_WORD && token.kind != TOKEN_QUOTED) || token.text.size == 0)
		return false;
	char *copy = fl_arena_copy(&p->ddl->memory, token.text.data, token.text.size);
	if (copy == NULL) {
		p->no_memory = true;
		return false;
	}
	size_t size = 0;
	bool ascii = true;
	for (size_t i = 0; i < token.text.size; i++) {
		copy[size++] = copy[i];
		ascii &= (copy[i] & 0x80) == 0;
		i += token.kind == TOKEN_QUOTED && copy[i] == token.quote;
	}
	*ret = ascii ? (struct fl_bytes){ copy, size } : (struct fl_bytes){ 0 };
	advance(p);
	return true;
}

static bool add_name(struct parser *p, struct fl_bytes db, struct fl_bytes table)
{
	struct fl_ddl_name *name = fl_arena_alloc(&p->ddl->memory, sizeof(*name));
	if (name == NULL) {
		p->no_memory = true;
		return false;
	}
	*name = (struct fl_ddl_name){ .db = db, .table = table };
	*p->last = name;
	p->last = &name->next;
	return true;
}

/* "table" or "db.table". */
static bool take_table(struct parser *p)
{
	struct fl_bytes db = p->default_db, table;
	if (!take_identifier(p, &table))
		return false;
	if (take_sign(p, '.')) {
		db = table;
		if (!take_identifier(p, &table))
			return false;
	}
	return add_name(p, db, table);
}

static enum fl_ddl_effect table_list(struct parser *p)
{
	take_if_exists(p);
	do {
		if (!take_table(p))
			return FL_DDL_ANY;
		take_wait(p);
	} while (take_sign(p, ','));
	take(p, "RESTRICT CASCADE");
	take_wait(p);
	return at_end(p) ? FL_DDL_TABLES : FL_DDL_ANY;
}

static enum fl_ddl_effect one_database(struct parser *p)
{
	struct fl_bytes db;
	take_if_exists(p);
	if (!take_identifier(p, &db) || !add_name(p, db, (struct fl_bytes){ 0 }))
		return FL_DDL_ANY;
	return FL_DDL_TABLES;
}

static enum fl_ddl_effect rename_tables(struct parser *p)
{
	take_if_exists(p);
	do {
		if (!take_table(p))
			return FL_DDL_ANY;
		take_wait(p);
		if (!take(p, "TO") || !take_table(p))
			return FL_DDL_ANY;
	} while (take_sign(p, ','));
	return at_end(p) ? FL_DDL_TABLES : FL_DDL_ANY;
}

/* Goes to the clause's end: a comma outside parentheses, or the statement's end. Words of
 * `forbidden` outside parentheses make it return false, as anything broken does. */
static bool skip_clause(struct parser *p, const char *forbidden)
{
	bool fine = true;
	for (int depth = 0; !at_end(p) && (depth > 0 || !is_sign(p, ',')); advance(p)) {
		depth += is_sign(p, '(') - is_sign(p, ')');
		fine &= p->token.kind != TOKEN_BROKEN && (depth > 0 || !is_any(p, forbidden));
	}
	return fine;
}

/* A run of table options, NAME [=] VALUE, that say how and where rows are kept, not what they are.
 * Engines only where they surely keep the rows (BLACKHOLE does not). */
static bool harmless_options(struct parser *p)
{
	while (!at_end(p) && !is_sign(p, ',')) {
		bool engine = is_any(p, "ENGINE");
		if (!take(p, "COMMENT ENGINE AUTO_INCREMENT ALGORITHM LOCK ROW_FORMAT CHECKSUM "
			     "TABLE_CHECKSUM KEY_BLOCK_SIZE AVG_ROW_LENGTH MAX_ROWS MIN_ROWS "
			     "PACK_KEYS DELAY_KEY_WRITE STATS_AUTO_RECALC STATS_PERSISTENT "
			     "STATS_SAMPLE_PAGES COMPRESSION ENCRYPTION"))
			return false;
		take_sign(p, '=');
		if (engine && !is_any(p, "InnoDB MyISAM Aria RocksDB"))
			return false;
		if (p->token.kind != TOKEN_WORD && p->token.kind != TOKEN_STRING &&
			p->token.kind != TOKEN_QUOTED)
			return false;
		advance(p);
	}
	return true;
}

/* One clause of ALTER TABLE, up to its end. Returns whether all rows surely keep their values. A
 * new primary key is not among those: it makes NULLs zeros where the sql_mode lets it. */
static bool harmless_clause(struct parser *p, bool *understood)
{
	bool harmless = false;
	if (take(p, "ADD")) {
		harmless = is_any(
			p, "INDEX KEY UNIQUE FULLTEXT SPATIAL FOREIGN CHECK CONSTRAINT PARTITION");
		harmless = skip_clause(p, "PRIMARY") && harmless;
	} else if (take(p, "DROP")) {
		harmless = is_any(p, "INDEX KEY PRIMARY FOREIGN CHECK CONSTRAINT");
	} else if (take(p, "ALTER")) {
		harmless = is_any(p, "INDEX KEY CHECK CONSTRAINT");
	} else if (take(p, "ENABLE DISABLE")) {
		harmless = is_any(p, "KEYS");
	} else if (take(p, "FORCE") || is_any(p, "ORDER")) {
		harmless = true;
	} else if (take(p, "RENAME")) {
		harmless = is_any(p, "INDEX KEY");
		if (!harmless && !is_any(p, "COLUMN")) {
			if (!take(p, "TO AS"))
				take_sign(p, '=');
			*understood &= take_table(p);
		}
	} else if (take(p, "EXCHANGE CONVERT")) {
		/* ... PARTITION p WITH TABLE t; ... TABLE t TO PARTITION p */
		while (!at_end(p) && !is_sign(p, ',')) {
			if (!take(p, "TABLE"))
				advance(p);
			else
				*understood &= take_table(p);
		}
	} else {
		harmless = harmless_options(p);
	}
	return skip_clause(p, "") && harmless;
}

static enum fl_ddl_effect alter_table(struct parser *p, bool ignore)
{
	take_if_exists(p);
	if (!take_table(p))
		return FL_DDL_ANY;
	take_wait(p);
	bool harmless = !ignore; /* IGNORE drops rows that a new unique index refuses */
	bool understood = true;
	while (!at_end(p)) {
		harmless = harmless_clause(p, &understood) && harmless;
		take_sign(p, ',');
	}
	return !understood ? FL_DDL_ANY : harmless ? FL_DDL_NONE : FL_DDL_TABLES;
}

/* Notes a verb and the word behind it for messages: "ALTER TABLE". */
static void note(struct parser *p, const char *verb)
{
	char *what = p->ddl->what;
	size_t room = sizeof(p->ddl->what) - 1;
	size_t size = strlen(verb);
	memcpy(what, verb, size);
	for (size_t i = 0; p->token.kind == TOKEN_WORD && i < p->token.text.size && size < room;
		i++) {
		char c = p->token.text.data[i];
		what[size++] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
	}
	what[size] = '\0';
}

static enum fl_ddl_effect create(struct parser *p)
{
	if (!take(p, "OR")) /* what did not exist has no keys */
		return FL_DDL_NONE;
	take(p, "REPLACE");
	note(p, "CREATE OR REPLACE ");
	if (take(p, "TABLE SEQUENCE")) {
		take_if_exists(p);
		return take_table(p) ? FL_DDL_TABLES : FL_DDL_ANY;
	}
	return take(p, "DATABASE SCHEMA") ? one_database(p) : FL_DDL_NONE;
}

static enum fl_ddl_effect alter(struct parser *p)
{
	take(p, "ONLINE OFFLINE");
	bool ignore = take(p, "IGNORE");
	note(p, "ALTER ");
	if (take(p, "TABLE SEQUENCE"))
		return alter_table(p, ignore);
	return is_any(p, "DATABASE SCHEMA VIEW EVENT PROCEDURE FUNCTION USER ROLE SERVER "
			 "TABLESPACE UNDO LOGFILE INSTANCE RESOURCE DEFINER ALGORITHM SQL")
		       ? FL_DDL_NONE
		       : FL_DDL_ANY;
}

static enum fl_ddl_effect drop(struct parser *p)
{
	note(p, "DROP ");
	if (take(p, "TABLE TABLES SEQUENCE"))
		return table_list(p);
	if (take(p, "DATABASE SCHEMA"))
		return one_database(p);
	return is_any(p, "TEMPORARY VIEW INDEX ONLINE OFFLINE TRIGGER PROCEDURE FUNCTION PACKAGE "
			 "EVENT USER ROLE SERVER TABLESPACE UNDO LOGFILE RESOURCE PREPARE SPATIAL")
		       ? FL_DDL_NONE
		       : FL_DDL_ANY;
}

static enum fl_ddl_effect statement(struct parser *p)
{
	note(p, "");
	if (take(p, "CREATE"))
		return create(p);
	if (take(p, "ALTER"))
		return alter(p);
	if (take(p, "DROP"))
		return drop(p);
	if (take(p, "RENAME")) {
		note(p, "RENAME ");
		return take(p, "TABLE TABLES") ? rename_tables(p)
		       : is_any(p, "USER")     ? FL_DDL_NONE
					       : FL_DDL_ANY;
	}
	if (take(p, "TRUNCATE")) {
		take(p, "TABLE");
		return table_list(p);
	}
	if (take(p, "REPAIR")) { /* it may leave rows behind that it can't read */
		take(p, "NO_WRITE_TO_BINLOG LOCAL");
		return take(p, "TABLE TABLES") && table_list(p) == FL_DDL_TABLES ? FL_DDL_TABLES
										 : FL_DDL_ANY;
	}
	return at_end(p) || is_any(p, "FLUSH ANALYZE OPTIMIZE CHECK CHECKSUM CACHE GRANT REVOKE "
				      "INSTALL UNINSTALL USE BEGIN START COMMIT ROLLBACK SAVEPOINT "
				      "RELEASE XA LOCK UNLOCK RESET PURGE KILL SHOW SHUTDOWN")
		       ? FL_DDL_NONE
		       : FL_DDL_ANY;
}

int fl_ddl_parse(struct fl_bytes sql, struct fl_bytes db, struct fl_ddl *ret)
{
	struct fl_ddl ddl = { .effect = FL_DDL_NONE };
	struct parser p = {
		.at = sql.size > 0 ? sql.data : "",
		.default_db = db.size > 0 ? db : (struct fl_bytes){ 0 },
		.ddl = &ddl,
		.last = &ddl.names,
	};
	p.end = p.at + sql.size;
	advance(&p);
	bool nothing = take(&p, "SET");
	if (nothing && take(&p, "STATEMENT")) {
		/* MariaDB: SET STATEMENT variable = value, ... FOR statement */
		while (!at_end(&p) && !take(&p, "FOR"))
			advance(&p);
		nothing = false;
	}
	if (!nothing)
		ddl.effect = statement(&p);
	if (p.no_memory) {
		fl_ddl_finish(&ddl);
		return FL_ENOMEM;
	}
	*ret = ddl;
	return 0;
}

void fl_ddl_finish(struct fl_ddl *ddl)
{
	fl_arena_finish(&ddl->memory);
	ddl->names = NULL;
}

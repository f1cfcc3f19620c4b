-- @ROWS@ is filled in by sqlite.sh. Every answer is ordered, so that it does not depend on a plan.
PRAGMA journal_mode = WAL;
CREATE TABLE part (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price INTEGER, note TEXT);
CREATE TABLE sale (id INTEGER PRIMARY KEY, part INTEGER REFERENCES part, day INTEGER, amount REAL);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < @ROWS@)
INSERT INTO part SELECT i, printf('part-%06x', i * 7919 % 16777213), i * 37 % 1009, hex(i * i) FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < @ROWS@ * 3)
INSERT INTO sale SELECT i, i * 31 % @ROWS@ + 1, i % 365, (i * 17 % 1000) / 8.0 FROM n;
COMMIT;
CREATE INDEX sale_part ON sale (part, day);
CREATE INDEX part_name ON part (name COLLATE NOCASE);
ANALYZE;

SELECT count(*), sum(amount), min(day), max(day) FROM sale;
SELECT p.name, count(*), sum(s.amount) FROM sale s JOIN part p ON p.id = s.part
  WHERE p.price BETWEEN 100 AND 120 GROUP BY p.id ORDER BY 3 DESC, 1 LIMIT 20;
SELECT day, amount, sum(amount) OVER (PARTITION BY day % 7 ORDER BY id ROWS 5 PRECEDING), rank() OVER (ORDER BY amount, id)
  FROM sale WHERE id % 97 = 0 ORDER BY id LIMIT 40;
SELECT substr(name, 6, 1) AS letter, group_concat(id) FROM (SELECT * FROM part ORDER BY id LIMIT 200) GROUP BY letter ORDER BY letter;
SELECT json_group_array(json_object('id', id, 'note', note)) FROM (SELECT id, note FROM part ORDER BY price, id LIMIT 20);
SELECT name FROM part WHERE name LIKE '%ab%' OR note GLOB '*3[0-4]39*' ORDER BY name LIMIT 30;

BEGIN;
UPDATE part SET price = price + (SELECT count(*) FROM sale WHERE sale.part = part.id), note = lower(note) || name;
DELETE FROM sale WHERE day IN (SELECT day FROM sale GROUP BY day HAVING day % 5 = 2);
SAVEPOINT undone;
DELETE FROM part;
ROLLBACK TO undone;
COMMIT;
CREATE VIRTUAL TABLE words USING fts5(body);
INSERT INTO words SELECT name || ' ' || note || ' ' || printf('w%d', id % 50) FROM part;
SELECT count(*) FROM words WHERE words MATCH 'w7 OR w8';
WITH RECURSIVE life(x, y, step) AS (VALUES (1, 1, 0) UNION ALL
  SELECT (x * 5 + y) % 1009, (y * 3 + x) % 1013, step + 1 FROM life WHERE step < @ROWS@)
SELECT sum(x), sum(y) FROM life;
REINDEX;
PRAGMA integrity_check;
PRAGMA foreign_key_check;
PRAGMA wal_checkpoint(TRUNCATE);
VACUUM;
SELECT count(*), sum(price), sum(length(note)) FROM part;
SELECT count(*), round(sum(amount), 3) FROM sale;

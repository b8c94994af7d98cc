"""The gallery of one character, on SQLite and PostgreSQL."""

from chassis.database import Database
from services.gateway.adapters.sql_batches import SqlBatches
from services.gateway.adapters.sql_gallery import SqlGallery
from services.gateway.adapters.sql_pictures import SqlPictures
from tests.services.gateway.events import FIRST, deleted, failed, reserved, stored
from tests.services.gateway.readings import tell


async def newest(database: Database, limit: int = 10, who: tuple[str, str] = ("chr_opal", "Areg")) -> object:
    total, images = await SqlPictures(database).newest(*who, limit)
    return total, [image.index for image in images]


async def test_what_lies_in_storage_is_shown_newest_first(database: Database) -> None:
    at = [5.0, 9.0, 7.0, 9.0]
    events = [stored(n, at=moment) for n, moment in enumerate(at)]
    await tell(SqlGallery(database), reserved(quantity=6), failed(4), *events)
    assert await newest(database) == (4, [FIRST + 3, FIRST + 1, FIRST + 2, FIRST])
    assert await newest(database, 2) == (4, [FIRST + 3, FIRST + 1])


async def test_what_is_deleted_is_not_shown(database: Database) -> None:
    await tell(SqlGallery(database), reserved(), stored(0), stored(1), deleted(FIRST))
    assert await newest(database) == (1, [FIRST + 1])


async def test_a_placeholder_is_shown_also_while_its_image_is_rendered_again(database: Database) -> None:
    await tell(SqlGallery(database), reserved(quantity=1), stored(placeholder=True))
    await SqlBatches(database).retry("b1", None)
    assert await newest(database) == (1, [FIRST])


async def test_a_picture_is_shown_before_its_batch_is_known(database: Database) -> None:
    await tell(SqlGallery(database), stored())
    assert await newest(database) == (1, [FIRST])


async def test_everybody_sees_his_own_pictures_of_a_character(database: Database) -> None:
    await tell(SqlGallery(database), reserved(), stored())
    assert await newest(database, who=("chr_opal", "Mara")) == (0, [])
    assert await newest(database, who=("chr_ruby", "Areg")) == (0, [])

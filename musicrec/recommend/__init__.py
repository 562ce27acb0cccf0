"""The ranking core: candidates, fusion and re-ranking, learned per event; pure."""

from musicrec.recommend.audio_neighbours import AudioIndex
from musicrec.recommend.ranked_list import RankedList
from musicrec.recommend.recommender import Recommender
from musicrec.recommend.settings import RankingSettings

__all__ = ["AudioIndex", "RankedList", "RankingSettings", "Recommender"]
